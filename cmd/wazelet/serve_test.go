// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/log"
	"github.com/sirupsen/logrus"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/cri/probe"
)

// server is a daemon of its own in this process: its directories, its cgroups,
// its socket, and systemd's ear.
type server struct {
	dir, config, socket string
	notify              *net.UnixConn
	stop                context.CancelFunc
	ended               chan int
	stderr              *lockedBuffer
}

// lockedBuffer takes the daemon's log while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newServer prepares a daemon in dir, which an earlier one may have used.
func newServer(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{dir: dir, config: filepath.Join(dir, "config.toml"), socket: filepath.Join(dir, "run", "s"), stderr: &lockedBuffer{}}
	group := "/" + serveGroup()
	content := fmt.Sprintf(`version = 1
root = %q
state = %q
[grpc]
address = %q
[cgroup]
parent = %q
[network]
conf_dir = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), s.socket, group, filepath.Join(dir, "net.d"))
	if err := os.WriteFile(s.config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	ear := filepath.Join(dir, "notify")
	if err := os.Remove(ear); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var err error
	if s.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ear, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.notify.Close() })
	t.Setenv("NOTIFY_SOCKET", ear)
	t.Cleanup(func() { logrus.SetOutput(io.Discard) })
	return s
}

// start runs the daemon until the test ends or stops it.
func (s *server) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s.stop, s.ended = stop, make(chan int, 1)
	go func() {
		s.ended <- run(ctx, []string{"serve", "--config", s.config}, strings.NewReader(""), io.Discard, s.stderr)
	}()
}

// expectNotice waits for what the daemon tells systemd next.
func (s *server) expectNotice(t *testing.T, want string) {
	t.Helper()
	if err := s.notify.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 256)
	n, err := s.notify.Read(message)
	if err != nil {
		t.Fatalf("systemd hears nothing: %v; the daemon says\n%s", err, s.stderr)
	}
	if got := string(message[:n]); got != want {
		t.Errorf("systemd hears %q, want %q", got, want)
	}
}

// end stops the daemon and gives its exit code.
func (s *server) end(t *testing.T) int {
	t.Helper()
	s.stop()
	select {
	case code := <-s.ended:
		return code
	case <-time.After(30 * time.Second):
		t.Fatalf("the daemon does not end; it says\n%s", s.stderr)
		return 0
	}
}

func TestServeIsReadyWhenItSaysSo(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second finds what the first left
		s := newServer(t, dir)
		s.start(t)
		s.expectNotice(t, "READY=1")
		answer, err := probe.Ask(t.Context(), s.socket)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Name != "wazelet" || answer.Version != version.String() ||
			len(answer.Unmet) != 1 || answer.Unmet[0].Type != "NetworkReady" {
			t.Errorf("it answers %+v", answer)
		}
		if info, err := os.Lstat(s.socket); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("%v: the socket is %v", err, info)
		}
		s.stop()
		s.expectNotice(t, "STOPPING=1")
		if code := s.end(t); code != 0 {
			t.Errorf("exit code %d; it says\n%s", code, s.stderr)
		}
		if _, err := os.Lstat(s.socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
	}
}

func TestTwoDaemonsDoNotShareARoot(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.start(t)
	s.expectNotice(t, "READY=1")
	second := user{home: s.dir}.command(t.Context(), "serve", "--config", s.config)
	said, err := second.CombinedOutput()
	want := fmt.Sprintf("wazelet: %s/root: in use by another wazelet, process %d: ", s.dir, os.Getpid())
	if second.ProcessState.ExitCode() != exitFailed || !strings.HasPrefix(string(said), want) {
		t.Errorf("%v: %s, want %q", err, said, want)
	}
	if _, err := probe.Ask(t.Context(), s.socket); err != nil {
		t.Errorf("the first one was harmed: %v", err)
	}
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d; it says\n%s", code, s.stderr)
	}
}

func TestServeRefusesAWrongConfigurationWithEveryFinding(t *testing.T) {
	path := file(t, "version = 1\nroot = 'a'\nstate = 'b'\n")
	want := "wazelet: " + path + `: root: "a" is not an absolute path` + "\n" + path + `: state: "b" is not an absolute path` + "\n"
	if got := wazelet(t, "serve", "--config", path); got.code != exitFailed || got.stderr != want {
		t.Errorf("%+v, want %q", got, want)
	}
}

func TestTheLogIsWhatTheConfigurationAsksFor(t *testing.T) {
	s := newServer(t, t.TempDir())
	content, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, append(content, "[log]\nformat = 'json'\nlevel = 'warn'\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(log.SetLevel("info"), log.SetFormat(log.TextFormat)); err != nil {
			t.Error(err)
		}
	})
	s.start(t)
	s.expectNotice(t, "READY=1")
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for line := range strings.Lines(s.stderr.String()) {
		if !strings.HasPrefix(line, "{") || strings.Contains(line, `"level":"info"`) {
			t.Errorf("the log has %s", line)
		}
	}
}
