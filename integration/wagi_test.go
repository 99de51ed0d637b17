// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// wagi is a pod whose module knows nothing of sockets. The word EXTRA is for more
// of the container's fields.
const wagi = `apiVersion: v1
kind: Pod
metadata:
  name: cgi
  annotations:
    wazelet.dev/http: wagi
    wazelet.dev/http-concurrency: "4"
spec:
  runtimeClassName: wasm
  restartPolicy: Never
  containers:
  - name: main
    image: registry.example/cgi:1.0
    env: [{name: GREETING, value: good morning}]
    EXTRA
`

// wagiPod starts the pod; the kubelet's probes have run the module when it is ready.
func (s *space) wagiPod() (pod *lab.Pod, url string, client *http.Client) {
	s.t.Helper()
	s.apply(replace(wagi, "EXTRA", `ports: [{name: http, containerPort: 8080}]
    readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1, timeoutSeconds: 30}
    livenessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1, timeoutSeconds: 30}`))
	pod = s.wait("cgi", lab.Ready)
	return pod, "http://" + net.JoinHostPort(pod.Status.PodIP, "8080"), labClient(s.t, 16)
}

// TestWagi runs a module once per request, as docs/wagi.md says.
func TestWagi(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, url, client := s.wagiPod()

	body, err := get(s.ctx, client, url+"/env?a=b&c")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "arguments and variables", "\n"+body, "\n/env\na=b\nc\n", "\nREQUEST_METHOD=GET\n", "\nPATH_INFO=/env\n",
		"\nQUERY_STRING=a=b&c\n", "\nGREETING=good morning\n", "\nHTTP_USER_AGENT=Go-http-client/1.1\n", "\nSERVER_PORT=8080\n")

	const size = 8 << 20
	response, err := post(s.ctx, client, url+"/count", io.LimitReader(endless{}, size))
	if want := fmt.Sprintf("%d <nil>\n", size); err != nil || response != want {
		t.Errorf("a body of %d bytes: %q, %v", size, response, err)
	}

	var wg sync.WaitGroup
	for i := range 40 { // ten times as many as may run at once
		wg.Go(func() {
			want := fmt.Sprintf("request %d", i)
			if got, err := post(s.ctx, client, url+"/echo", strings.NewReader(want)); err != nil || got != want {
				t.Errorf("%s is answered with %q, %v", want, got, err)
			}
		})
	}
	wg.Wait()

	var status *statusError
	if _, err := post(s.ctx, client, url+"/exit?n=3", http.NoBody); !errors.As(err, &status) || status.code != http.StatusInternalServerError {
		t.Errorf("a run that fails is answered with %v", err)
	}
	contains(t, "log", s.logs("cgi"), "giving up\n", "exit code 3")
	again := s.wait("cgi", lab.Ready)
	equal(t, "restarts", again.Container("main").RestartCount, 0)
	equal(t, "container", containerID(t, again, "main"), containerID(t, pod, "main"))
}

// TestWagiRequestOutlivesDeletion: what is being answered when its pod is deleted
// is answered to its end, and then nothing is waited for.
func TestWagiRequestOutlivesDeletion(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	_, url, client := s.wagiPod()
	request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url+"/stream?d=3s", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	first := make([]byte, len("first\n"))
	if _, err := io.ReadFull(response.Body, first); err != nil {
		t.Fatal(err)
	}
	s.in("delete", "pod", "cgi", "--wait=false")
	rest, err := io.ReadAll(response.Body)
	if err != nil || string(first)+string(rest) != "first\nsecond\n" {
		t.Errorf("got %q and %q, %v", first, rest, err)
	}
	s.goneSoon("cgi")
}

// TestWagiWithoutAPortIsRefused with a reason that its owner can act on.
func TestWagiWithoutAPortIsRefused(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(replace(wagi, "EXTRA", ""))
	s.event("cgi", "Failed", "wazelet.dev/http", "declares no TCP port to serve on")
}

// statusError is an answer that is not 200.
type statusError struct{ code int }

func (e *statusError) Error() string { return http.StatusText(e.code) }

func post(ctx context.Context, client *http.Client, url string, body io.Reader) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = &statusError{response.StatusCode}
	}
	return string(content), err
}

// endless is a reader without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
