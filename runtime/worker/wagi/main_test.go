// SPDX-License-Identifier: Apache-2.0

package wagi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// The binaries under test, built once: the shipped worker and a Go guest, and
// the guest's compiled code.
var workerPath, guestPath, guestCode string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wagi")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	workerPath, guestPath, guestCode = filepath.Join(dir, "wazelet-worker"), filepath.Join(dir, "cgi.wasm"), filepath.Join(dir, "code")
	for _, b := range []struct {
		out, pkg string
		env      []string
	}{
		{workerPath, "github.com/wazelet/wazelet/cmd/wazelet-worker", nil},
		{guestPath, "github.com/wazelet/wazelet/integration/guests/cgi", []string{"GOOS=wasip1", "GOARCH=wasm"}},
	} {
		cmd := exec.Command("go", "build", "-p", "1", "-trimpath", "-ldflags=-s -w", "-o", b.out, b.pkg)
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), b.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", b.pkg, err, out)
			return 1
		}
	}
	// The worker of another user must reach it.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := compile(guestPath, guestCode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func compile(module, dir string) error {
	f, err := os.Open(module)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return launch.Compiler(context.Background(), launch.CompilerOptions{WorkerPath: workerPath, Module: f, OutDir: dir})
}

// server is a real worker that serves.
type server struct {
	t       testing.TB
	dir     string
	address string
	process *launch.Process
}

// serve starts a worker that serves with the Go guest.
func serve(t testing.TB, h spec.HTTP) *server { return serveModule(t, guestPath, guestCode, h) }

// serveModule starts a worker that serves with a module.
func serveModule(t testing.TB, module, code string, h spec.HTTP) *server {
	t.Helper()
	if h.Concurrency == 0 {
		h.Concurrency = 4
	}
	if h.Timeout == 0 {
		h.Timeout = time.Minute
	}
	s := &server{t: t, dir: t.TempDir(), address: freeAddress(t)}
	l, err := control.Listen(filepath.Join(s.dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.process, err = launch.Container(t.Context(), launch.Options{
		WorkerPath: workerPath,
		Spec: spec.Container{
			ID: "c1", Args: []string{"/cgi.wasm"}, Env: []string{"GREETING=hello", "SERVER_NAME=mine"}, Cwd: "/",
			Module:    &spec.ModuleFile{Name: "cgi.wasm"},
			Listeners: []spec.Listener{{Network: "tcp", Address: s.address}},
			HTTP:      &h,
		},
		Module: s.file(module, os.O_RDONLY), Control: l,
		Log: s.file(s.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND), Exit: s.file(s.path("exit"), os.O_CREATE|os.O_WRONLY),
	}, func(context.Context, *os.File) (*os.File, string, error) {
		f, err := os.Open(code)
		return f, "sha256:0", err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.process.Kill(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := control.Dial(filepath.Join(s.dir, "control.sock")).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// freeAddress is one nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) file(name string, flags int) *os.File {
	s.t.Helper()
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { f.Close() })
	return f
}

// get fetches a path and returns status and body.
func (s *server) get(path string) (int, string) {
	s.t.Helper()
	r, err := client(s.t).Get("http://" + s.address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// client is one without connections of others.
func client(t testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// talk sends raw bytes and returns all that comes back.
func (s *server) talk(text string) string {
	s.t.Helper()
	c := s.dial()
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		s.t.Fatalf("%.60q: %v after %q", text, err, answer)
	}
	return string(answer)
}

func (s *server) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// wait waits for the worker's end and returns its record.
func (s *server) wait() spec.Exit {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if _, err := s.process.Wait(ctx); err != nil {
		s.t.Fatal(err)
	}
	raw, err := os.ReadFile(s.path("exit"))
	if err != nil {
		s.t.Fatal(err)
	}
	var exit spec.Exit
	if err := json.Unmarshal(raw, &exit); err != nil {
		s.t.Fatalf("exit record %q: %v", raw, err)
	}
	return exit
}

// logged fails unless the log has the text.
func (s *server) logged(text string) {
	s.t.Helper()
	raw, err := os.ReadFile(s.path("log"))
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(raw), text) {
		s.t.Errorf("the log lacks %q:\n%s", text, raw)
	}
}
