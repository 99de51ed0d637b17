// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
)

// soon is when what happens at once has happened, on a busy machine; no grace
// period of these tests is as short.
const soon = 5 * time.Second

// server is a container of the web guest and its client, which keeps
// connections open.
type server struct {
	*daemon
	c      runtime.Container
	addr   string
	client *http.Client
}

func newServer(t *testing.T) *server {
	t.Helper()
	d := newDaemon(t)
	s := &server{daemon: d, client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	s.c, s.addr = d.serve("web")
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// request is an answer under way.
type request struct {
	body string
	err  error
}

// begin sends a request and returns once the guest has begun to answer it.
func (s *server) begin(path string) <-chan request {
	s.t.Helper()
	response, err := s.client.Get("http://" + s.addr + path)
	s.must(err)
	body := bufio.NewReader(response.Body)
	first, err := body.ReadString('\n')
	s.must(err)
	done := make(chan request, 1)
	go func() {
		defer response.Body.Close()
		rest, err := io.ReadAll(body)
		done <- request{first + string(rest), err}
	}()
	return done
}

// stop begins to stop the container and returns once it takes no new clients,
// which must be soon.
func (s *server) stop(grace time.Duration) <-chan error {
	s.t.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- s.containers.Stop(s.t.Context(), s.c.ID, grace) }()
	s.awaitRefusal()
	return stopped
}

func (s *server) awaitRefusal() {
	s.t.Helper()
	for began := time.Now(); ; {
		conn, err := net.Dial("tcp", s.addr)
		if errors.Is(err, unix.ECONNREFUSED) {
			return
		}
		if err == nil {
			conn.Close()
		}
		if time.Since(began) > soon {
			s.t.Fatalf("new clients are not refused: %v", err)
		}
		time.Sleep(time.Millisecond) // else the backlog of a guest that accepts nothing is soon full
	}
}

// gone checks that the container ends with the code, soon after a moment.
func (s *server) gone(stopped <-chan error, code int32, after time.Time) {
	s.t.Helper()
	s.must(<-stopped)
	took := time.Since(after)
	c := s.ended(s.c.ID)
	if c.ExitCode != code || took > soon {
		s.t.Errorf("ended with %d (%s) after %s, want %d", c.ExitCode, c.Message, took, code)
	}
	s.t.Logf("gone after %s", took)
}

func TestStopLetsADownloadFinish(t *testing.T) {
	for name, keepAlive := range map[string]bool{"keep-alive": true, "close": false} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.client.Transport.(*http.Transport).DisableKeepAlives = !keepAlive
			download := s.begin("/stream?n=20&d=100ms")
			stopped := s.stop(time.Minute)
			s.must(os.Rename(s.c.LogFile, s.c.LogFile+".1"))
			s.must(s.containers.ReopenLog(t.Context(), s.c.ID))
			got := <-download
			if lines := strings.Count(got.body, "\n"); got.err != nil || lines != 20 || !strings.HasSuffix(got.body, "line 19\n") {
				t.Errorf("got %d of 20 lines, %v", lines, got.err)
			}
			s.gone(stopped, 143, time.Now())
		})
	}
}

func TestStopLetsARequestFinish(t *testing.T) {
	s := newServer(t)
	slow := s.begin("/stream?n=2&d=1500ms") // quiet for longer than an idle connection may be
	stopped := s.stop(time.Minute)
	// The kubelet may say it again, with less patience or more.
	again := make(chan error, 1)
	go func() { again <- s.containers.Stop(t.Context(), s.c.ID, 30*time.Second) }()
	if got := <-slow; got.err != nil || got.body != "line 0\nline 1\n" {
		t.Errorf("got %q, %v", got.body, got.err)
	}
	s.gone(stopped, 143, time.Now())
	s.must(<-again)
}

// TestStopIsSaidOnce repeats a Stop to the next daemon: what the guest serves
// is finished all the same.
func TestStopIsSaidOnce(t *testing.T) {
	s := newServer(t)
	download := s.begin("/stream?n=30&d=100ms")
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- s.containers.Stop(ctx, s.c.ID, time.Minute) }()
	s.awaitRefusal()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.close()
	s.open()
	stopped := make(chan error, 1)
	go func() { stopped <- s.containers.Stop(t.Context(), s.c.ID, time.Minute) }()
	if got := <-download; got.err != nil || !strings.HasSuffix(got.body, "line 29\n") {
		t.Errorf("got %d bytes, %v", len(got.body), got.err)
	}
	s.gone(stopped, 143, time.Now())
}

func TestStopWaitsForAnUnansweredRequest(t *testing.T) {
	s := newServer(t)
	if _, err := get(s.client, "http://"+s.addr+"/"); err != nil {
		t.Fatal(err)
	}
	answer, asked := make(chan request, 1), make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { close(asked) },
	})
	again, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/slow?d=2s", nil)
	s.must(err)
	go func() { // on the connection there is
		response, err := s.client.Do(again)
		if err != nil {
			answer <- request{err: err}
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answer <- request{string(body), err}
	}()
	<-asked
	stopped := s.stop(time.Minute)
	if got := <-answer; got.err != nil || got.body != "at last\n" {
		t.Errorf("got %q, %v", got.body, got.err)
	}
	s.gone(stopped, 143, time.Now())
}

func TestIdleClientsDoNotHoldAStop(t *testing.T) {
	s := newServer(t)
	if _, err := get(s.client, "http://"+s.addr+"/"); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", s.addr)
	s.must(err)
	defer silent.Close()
	began := time.Now()
	s.gone(s.stop(time.Minute), 143, began)
	if quiet := time.Since(began); quiet < 400*time.Millisecond {
		t.Errorf("idle connections had only %s", quiet)
	}
	s.must(silent.SetDeadline(time.Now().Add(soon)))
	if n, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the silent client read %d bytes, %v", n, err)
	}
}

func TestASecondSignalDoesNotWait(t *testing.T) {
	s := newServer(t)
	download := s.begin("/stream?n=600&d=100ms")
	s.must(unix.Kill(s.c.Pid, unix.SIGTERM))
	s.awaitRefusal()
	began := time.Now()
	s.must(unix.Kill(s.c.Pid, unix.SIGINT))
	if c := s.ended(s.c.ID); c.ExitCode != 130 || time.Since(began) > soon {
		t.Errorf("ended with %d after %s", c.ExitCode, time.Since(began))
	}
	if got := <-download; got.err == nil {
		t.Errorf("the download is whole: %d bytes", len(got.body))
	}
}

func TestAGuestThatEndsItselfKeepsItsCode(t *testing.T) {
	s := newServer(t)
	if _, err := get(s.client, "http://"+s.addr+"/"); err != nil {
		t.Fatal(err)
	}
	stopped := s.stop(time.Minute)
	if _, err := get(s.client, "http://"+s.addr+"/exit?code=7"); err == nil {
		t.Error("an answer to exit")
	}
	s.gone(stopped, 7, time.Now())
}

// TestASpinningGuestDrainsNothing has a guest that never accepts: alone it goes
// at once, and with a client that has asked it goes by SIGKILL.
func TestASpinningGuestDrainsNothing(t *testing.T) {
	d := newDaemon(t)
	spin := d.pull("spin:1", tiny.Spin())
	start := func(name string) *server {
		s := &server{daemon: d, addr: freePort(t)}
		s.c = d.create(d.pod(name), spin, func(c *runtime.Config) {
			c.Annotations = map[string]string{"wazelet.dev/listen": s.addr}
		})
		d.must(d.containers.Start(t.Context(), s.c.ID))
		return s
	}
	s := start("alone")
	began := time.Now()
	d.must(d.containers.Stop(t.Context(), s.c.ID, time.Minute))
	if c := d.ended(s.c.ID); c.ExitCode != 143 || time.Since(began) > soon {
		t.Errorf("alone: ended with %d after %s", c.ExitCode, time.Since(began))
	}
	s = start("asked")
	conn, err := net.Dial("tcp", s.addr)
	d.must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	d.must(err)
	d.must(<-s.stop(2 * time.Second))
	if c := d.ended(s.c.ID); c.ExitCode != 137 {
		t.Errorf("asked: ended with %d", c.ExitCode)
	}
}

// TestASignalBeforeTheStartEndsAtOnce has clients in the backlog of a guest that
// never began.
func TestASignalBeforeTheStartEndsAtOnce(t *testing.T) {
	d := newDaemon(t)
	address := freePort(t)
	c := d.create(d.pod("never"), d.pull("spin:1", tiny.Spin()), func(c *runtime.Config) {
		c.Annotations = map[string]string{"wazelet.dev/listen": address}
	})
	conn, err := net.Dial("tcp", address)
	d.must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, "too early")
	d.must(err)
	began := time.Now()
	d.must(d.containers.Stop(t.Context(), c.ID, time.Minute))
	if c = d.ended(c.ID); c.ExitCode != 143 || time.Since(began) > soon {
		t.Errorf("ended with %d after %s", c.ExitCode, time.Since(began))
	}
}
