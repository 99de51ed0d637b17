// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// server is the spec of a pod that serves HTTP with Go's own net/http on the port
// it declares. The word EXTRA is for more of the container's fields.
const server = `
containers:
- name: main
  image: registry.example/web:1.0
  ports: [{name: http, containerPort: 8080, hostPort: HOSTPORT}]
  EXTRA
`

// serve starts the server and returns its pod and a client that reaches the
// laboratory's network.
func (s *space) serve(name, extra string) (*lab.Pod, *http.Client) {
	s.t.Helper()
	s.pod(name, replace(replace(server, "EXTRA", extra), ", hostPort: HOSTPORT", ""))
	pod := s.wait(name, lab.Ready)
	s.served(name)
	return pod, labClient(s.t, 1)
}

// served waits until the guest has its sockets; until then requests wait in their
// queues.
func (s *space) served(name string) {
	s.t.Helper()
	s.until(func() error {
		if log := s.logs(name); !strings.Contains(log, `serving on ["http"]`) {
			return fmt.Errorf("log: %q", log)
		}
		return nil
	})
}

// labClient is an HTTP client inside the laboratory's network that keeps so many
// connections.
func labClient(t *testing.T, connections int) *http.Client {
	transport := &http.Transport{
		DialContext:         cluster.Dial,
		MaxConnsPerHost:     connections,
		MaxIdleConnsPerHost: connections,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return string(body), err
}

// TestServer answers through its pod's address, a port of the node, and the
// kubelet's probes.
func TestServer(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const hostPort = "28080"
	s.pod("web", replace(replace(server, "HOSTPORT", hostPort), "EXTRA", `
  readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1}
  livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}`))
	pod := s.wait("web", lab.Ready)
	client := labClient(t, 4)
	for _, address := range []string{net.JoinHostPort(pod.Status.PodIP, "8080"), net.JoinHostPort(cluster.NodeIP(), hostPort)} {
		body, err := get(s.ctx, client, "http://"+address+"/there")
		if err != nil || body != "hello from /there\n" {
			t.Errorf("%s answers %q, %v", address, body, err)
		}
	}
	again := s.wait("web", lab.Ready)
	equal(t, "restarts", again.Container("main").RestartCount, 0)
}

// TestServerUnderLoad answers ten thousand requests on two hundred connections
// that stay open, without an error.
func TestServerUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, _ := s.serve("web", "")
	const connections, requests = 200, 10_000
	client := labClient(t, connections)
	url := "http://" + net.JoinHostPort(pod.Status.PodIP, "8080") + "/load"
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		wg.Go(func() {
			for range requests / connections {
				if body, err := get(s.ctx, client, url); err != nil || body != "hello from /load\n" {
					errs <- fmt.Errorf("%q, %w", body, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// TestServerWithNothingOpenIsGoneAtOnce stops with the code of SIGTERM, and does
// not wait for its grace period.
func TestServerWithNothingOpenIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, _ := s.serve("web", "")
	if _, err := cluster.Crictl(s.ctx, "stop", "--timeout", "60", containerID(t, pod, "main")); err != nil {
		t.Fatal(err)
	}
	s.fails("web", 143)
}

// TestDeletedServerIsGone deletes a server with nothing open and tells how long its
// process, and then its pod, were there after the deletion. Beforehand the kubelet has
// looked at the running pod: it does nothing about a deletion before that.
func TestDeletedServerIsGone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, _ := s.serve("web", "")
	pid := workerPid(t, containerID(t, pod, "main"))
	seen := s.relists()
	s.until(func() error {
		if n := s.relists() - seen; n < 3 {
			return fmt.Errorf("the kubelet has listed pods %d times since", n)
		}
		return nil
	})
	began := time.Now()
	s.in("delete", "pod", "web", "--wait=false")
	s.processEnd(pid)
	ended := time.Since(began)
	s.in("wait", "--for=delete", "pod/web", "--timeout=60s")
	t.Logf("from the deletion to the process's end %s, to the pod's %s", ended.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// relists is how often the kubelet has looked at what runs on its node, once a second.
func (s *space) relists() int {
	s.t.Helper()
	text, err := cluster.Kubelet(s.ctx, "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	const counter = "\nkubelet_pleg_relist_duration_seconds_count "
	_, rest, found := strings.Cut(text, counter)
	value, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(value)
	if !found || err != nil {
		s.t.Fatalf("the kubelet's metrics have no%s: %v", counter, err)
	}
	return n
}

// TestDownloadOutlivesDeletion: a response that is being written when its pod is
// deleted is written to its end.
func TestDownloadOutlivesDeletion(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, client := s.serve("web", "")
	const lines = 30
	url := fmt.Sprintf("http://%s/stream?n=%d&d=100ms", net.JoinHostPort(pod.Status.PodIP, "8080"), lines)
	request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body := bufio.NewScanner(response.Body)
	seen := 0
	for body.Scan() {
		if seen == 0 {
			s.in("delete", "pod", "web", "--wait=false")
		}
		seen++
	}
	if err := body.Err(); err != nil || seen != lines {
		t.Errorf("%d of %d lines arrived: %v", seen, lines, err)
	}
	s.goneSoon("web")
}

// goneSoon waits until a pod that was deleted, and has written its last response, is
// gone, which must not take the grace period.
func (s *space) goneSoon(pod string) {
	s.t.Helper()
	began := time.Now()
	s.in("wait", "--for=delete", "pod/"+pod, "--timeout=60s")
	if took := time.Since(began); took > 15*time.Second {
		s.t.Errorf("the pod was gone %s after its last response, of a grace period of 30 s", took)
	}
}

// TestIdleServerUsesNoProcessor over a minute, which is what is measured.
func TestIdleServerUsesNoProcessor(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	pod, client := s.serve("web", "")
	if _, err := get(s.ctx, client, "http://"+net.JoinHostPort(pod.Status.PodIP, "8080")+"/"); err != nil {
		t.Fatal(err)
	}
	client.CloseIdleConnections()
	s.idles(pod, time.Minute)
}

// idles fails the test when the pod, once it has come to rest, uses a thousandth of
// a processor, or more, in the time that passes meanwhile. On the way to rest the
// worker collects, once, what its clients left.
func (s *space) idles(pod *lab.Pod, span time.Duration) {
	s.t.Helper()
	s.until(func() error {
		if used := s.uses(pod, time.Second); used > time.Second/1000 {
			return fmt.Errorf("an idle server used %s of processor time in a second", used)
		}
		return nil
	})
	if used := s.uses(pod, span); used > span/1000 {
		s.t.Errorf("an idle server used %s of processor time in %s", used, span)
	}
}

// uses is the processor time that the pod uses in the time that passes meanwhile.
func (s *space) uses(pod *lab.Pod, span time.Duration) time.Duration {
	s.t.Helper()
	before := cpuTime(s.t, pod)
	select {
	case <-time.After(span):
	case <-s.ctx.Done():
		s.t.Fatal(context.Cause(s.ctx))
	}
	return cpuTime(s.t, pod) - before
}

// cpuTime is the processor time that the pod's container main has used.
func cpuTime(t *testing.T, pod *lab.Pod) time.Duration {
	t.Helper()
	dir := cgroupOf(t, "cpuacct", containerID(t, pod, "main"))
	if !unified() {
		nanoseconds, err := strconv.ParseInt(cgroupFile(t, dir, "cpuacct.usage", ""), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(nanoseconds)
	}
	var microseconds int64
	if _, err := fmt.Sscanf(cgroupFile(t, dir, "", "cpu.stat"), "usage_usec %d", &microseconds); err != nil {
		t.Fatal(err)
	}
	return time.Duration(microseconds) * time.Microsecond
}
