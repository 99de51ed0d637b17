// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/lab"
)

// forwarder is a kubectl port-forward that runs.
type forwarder struct {
	t       *testing.T
	address string // where it listens, in the laboratory's network
	cmd     *exec.Cmd
	ended   chan struct{}
	stderr  bytes.Buffer // to be read once it has ended
}

var forwardingFrom = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:[0-9]+) -> `)

// forward runs kubectl port-forward to a pod's port until the test ends. The
// settings are environment variables.
func (s *space) forward(pod, port string, settings ...string) *forwarder {
	s.t.Helper()
	args := append(settings, filepath.Join(cluster.PartsDir(), "kubectl"), "port-forward", "--namespace", s.name, "--address", "127.0.0.1", "pod/"+pod, ":"+port)
	f := &forwarder{t: s.t, cmd: exec.Command("env", args...), ended: make(chan struct{})}
	f.cmd.Stderr = &f.stderr
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cluster.Start(f.cmd); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	first := make(chan string, 1)
	go func() {
		defer close(f.ended)
		for lines.Scan() { // one for each connection follows
			select {
			case first <- lines.Text():
			default:
			}
		}
		_ = f.cmd.Wait() // it ends by a signal, or with what it says
		close(first)
	}()
	s.t.Cleanup(func() {
		_ = f.cmd.Process.Signal(unix.SIGTERM) // it may have ended
		<-f.ended
	})
	select {
	case line := <-first:
		match := forwardingFrom.FindStringSubmatch(line)
		if match == nil {
			_ = f.cmd.Process.Signal(unix.SIGTERM)
			<-f.ended
			s.t.Fatalf("kubectl port-forward says %q; %s", line, &f.stderr)
		}
		f.address = match[1]
	case <-s.ctx.Done():
		s.t.Fatal(context.Cause(s.ctx))
	}
	return f
}

// dial opens one connection through the forward.
func (f *forwarder) dial(ctx context.Context) *net.TCPConn {
	f.t.Helper()
	conn, err := cluster.Dial(ctx, "tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			f.t.Fatal(err)
		}
	}
	return conn.(*net.TCPConn)
}

// says waits until kubectl has ended and returns its standard error.
func (f *forwarder) says(ctx context.Context) string {
	f.t.Helper()
	select {
	case <-f.ended:
		return f.stderr.String()
	case <-ctx.Done():
		f.t.Fatalf("kubectl port-forward does not end: %v", context.Cause(ctx))
		return ""
	}
}

// TestPortForward reaches a server through kubectl: many requests at once on
// connections that stay, a response that takes its time, and a client that has
// ended its half. kubectl speaks WebSocket, and SPDY when it is told to.
func TestPortForward(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.serve("web", "")
	for name, settings := range map[string][]string{
		"WebSocket": nil,
		"SPDY":      {"KUBECTL_PORT_FORWARD_WEBSOCKETS=false"},
	} {
		t.Run(name, func(t *testing.T) {
			f := s.forward("web", "8080", settings...)
			client := labClient(t, 10)
			url := "http://" + f.address
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Go(func() {
					for range 10 {
						path := fmt.Sprintf("/from/%d", i)
						if body, err := get(s.ctx, client, url+path); err != nil || body != "hello from "+path+"\n" {
							t.Errorf("%q, %v", body, err)
						}
					}
				})
			}
			wg.Wait()
			body, err := get(s.ctx, client, url+"/stream?n=5&d=100ms")
			if err != nil || strings.Count(body, "\n") != 5 {
				t.Errorf("a slow response: %q, %v", body, err)
			}
			conn := f.dial(s.ctx)
			if _, err := io.WriteString(conn, "GET /slow?d=2s HTTP/1.0\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil || !strings.HasSuffix(string(answer), "at last\n") {
				t.Errorf("after the client's end: %q, %v", answer, err)
			}
		})
	}
}

// TestPortForwardToANodesNetwork reaches a pod that has the node's.
func TestPortForwardToANodesNetwork(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const port = "28081"
	spec := replace(replace(server, ", hostPort: HOSTPORT", ""), "8080", port)
	s.pod("web", "hostNetwork: true\n"+strings.TrimSpace(replace(spec, "EXTRA", "")))
	s.wait("web", lab.Ready)
	f := s.forward("web", port)
	body, err := get(s.ctx, labClient(t, 1), "http://"+f.address+"/there")
	if err != nil || body != "hello from /there\n" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestPortForwardToNobody tells the user which pod has nobody at which port.
func TestPortForwardToNobody(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.serve("web", "")
	f := s.forward("web", "9999")
	if rest, err := io.ReadAll(f.dial(s.ctx)); len(rest) > 0 {
		t.Errorf("somebody says %q, %v", rest, err)
	}
	contains(t, "kubectl", f.says(s.ctx), "pod "+s.name+"/web: port 9999: connection refused: no container of the pod listens on it")
}

// TestPortForwardEndsWithItsPod: what is open ends, and kubectl hears why nothing
// can be opened any more.
func TestPortForwardEndsWithItsPod(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.serve("web", "")
	f := s.forward("web", "8080")
	open := f.dial(s.ctx)
	if _, err := io.WriteString(open, "GET / HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s.in("delete", "pod", "web", "--grace-period=1", "--timeout=60s")
	_, _ = io.Copy(io.Discard, open) // until the deadline, which is the test's
	if s.ctx.Err() != nil {
		t.Fatal("the open connection does not end")
	}
	// kubectl gives up when a connection was open as the network went away, and
	// otherwise at the next one. Deleted is said before the network is gone.
	s.until(func() error {
		conn, err := cluster.Dial(s.ctx, "tcp", f.address)
		if err == nil {
			defer conn.Close()
			_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
		}
		select {
		case <-f.ended:
			return nil
		default:
			return errors.New("kubectl goes on")
		}
	})
	contains(t, "kubectl", f.says(s.ctx), "error forwarding port 8080 to pod ", "lost connection to pod")
}
