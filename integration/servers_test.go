// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// languageServer is a pod of one of guests.Servers.
const languageServer = `
containers:
- name: main
  image: registry.example/IMAGE:1.0
  ports: [{name: http, containerPort: 8080}]
  readinessProbe: {tcpSocket: {port: http}}
`

// serveLanguage starts the server and returns its pod and where it answers.
func (s *space) serveLanguage(image string) (pod *lab.Pod, url string) {
	s.t.Helper()
	s.pod("web", replace(languageServer, "IMAGE", image))
	pod = s.wait("web", lab.Ready)
	return pod, "http://" + net.JoinHostPort(pod.Status.PodIP, "8080")
}

// TestServersInOtherLanguages serve many clients at once, each on a connection that
// stays open, in one thread that polls. Idle, they use no processor, and a download
// outlives the pod's deletion.
func TestServersInOtherLanguages(t *testing.T) {
	for _, language := range []string{"c", "rust"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			pod, url := s.serveLanguage("poll-" + language)
			contains(t, "log", s.logs("web"), "serving on http\n")
			const connections, requests = 100, 50
			client := labClient(t, connections)
			var wg sync.WaitGroup
			for i := range connections {
				wg.Go(func() {
					for n := range requests {
						path := fmt.Sprintf("/%d/%d", i, n)
						if body, err := get(s.ctx, client, url+path); err != nil || body != "hello from "+path+"\n" {
							t.Errorf("%s is answered with %q, %v", path, body, err)
							return
						}
					}
				})
			}
			wg.Wait()
			if t.Failed() {
				return
			}
			s.idles(pod, 20*time.Second) // with its clients' connections open
			client.CloseIdleConnections()
			s.deleteDuringDownload(url)
		})
	}
}

// deleteDuringDownload deletes the pod when 32 MiB have begun to come, much more
// than there is room for on the way, and wants all of it.
func (s *space) deleteDuringDownload(url string) {
	s.t.Helper()
	response, err := labClient(s.t, 1).Get(url + "/big")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	const size = 32 << 20
	begun, err := io.CopyN(io.Discard, response.Body, 1<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	s.in("delete", "pod", "web", "--wait=false")
	s.until(func() error { // nobody new comes in
		conn, err := cluster.Dial(s.ctx, "tcp", strings.TrimPrefix(url, "http://"))
		if err == nil {
			conn.Close()
			return fmt.Errorf("a new client is accepted")
		}
		return nil
	})
	rest, err := io.Copy(io.Discard, response.Body)
	if err != nil || begun+rest != size {
		s.t.Errorf("%d of %d bytes arrived: %v", begun+rest, size, err)
	}
	s.in("wait", "--for=delete", "pod/web", "--timeout=25s") // less than its grace period
}

// TestServersOfTheDocumentation are the programs of docs/serving.md, as they stand
// there. Those that wait in accept serve one client after another, and use no
// processor while nobody comes.
func TestServersOfTheDocumentation(t *testing.T) {
	for language, want := range map[string]string{"go": "hello from /there\n", "c": "hello\n", "rust": "hello\n"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			pod, url := s.serveLanguage("serving-" + language)
			client := labClient(t, 4)
			var wg sync.WaitGroup
			for range 40 {
				wg.Go(func() {
					if body, err := get(s.ctx, client, url+"/there"); err != nil || body != want {
						t.Errorf("the answer is %q, %v", body, err)
					}
				})
			}
			wg.Wait()
			client.CloseIdleConnections()
			s.idles(pod, 20*time.Second)
			again := s.wait("web", lab.Ready)
			equal(t, "restarts", again.Container("main").RestartCount, 0)
			if _, err := cluster.Crictl(s.ctx, "stop", "--timeout", "60", containerID(t, pod, "main")); err != nil {
				t.Fatal(err)
			}
			s.fails("web", 143)
		})
	}
}
