// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wazelet/wazelet/runtime/worker/console"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// gate is a worker's side reduced to what the protocol can show.
type gate struct {
	mu      sync.Mutex
	started time.Time
	log     *os.File
	block   chan struct{} // when set, Start waits for it
	opened  atomic.Int32

	attached console.Streams
}

func (g *gate) Start() (time.Time, func()) {
	if g.block != nil {
		<-g.block
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started.IsZero() {
		g.started = time.Now()
	}
	return g.started, func() { g.opened.Add(1) }
}

func (g *gate) ReopenLog(f *os.File) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.log != nil {
		f.Close()
		return spec.Failf(spec.FailedPrecondition, "log: reopened already")
	}
	g.log = f
	return nil
}

func (g *gate) Attach(s console.Streams) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attached = s
	return nil
}

func (g *gate) Resize(size terminal.Size) error {
	if size.Width == 0 {
		return spec.Failf(spec.Invalid, "no width")
	}
	return nil
}

func serve(t *testing.T, path string, h Handler) *Client {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Serve(l, 0, h) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return Dial(path)
}

func TestStartIsIdempotent(t *testing.T) {
	c := serve(t, filepath.Join(t.TempDir(), "s"), &gate{})
	first, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Start(t.Context())
	if err != nil || !second.Equal(first) {
		t.Fatalf("second start %v, %v; first %v", second, err, first)
	}
}

func TestReopenLogHandsTheFileOver(t *testing.T) {
	g := &gate{}
	dir := t.TempDir()
	c := serve(t, filepath.Join(dir, "s"), g)
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReopenLog(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := g.log.WriteString("line"); err != nil {
		t.Fatal(err)
	}
	g.log.Close()
	if text, _ := os.ReadFile(filepath.Join(dir, "log")); string(text) != "line" {
		t.Fatalf("log holds %q", text)
	}

	err = c.ReopenLog(t.Context(), os.Stdin)
	failure, ok := errors.AsType[*spec.Failure](err)
	if !ok || failure.Class != spec.FailedPrecondition || err.Error() != "reopen log: log: reopened already" {
		t.Fatalf("got %v", err)
	}
}

// TestAttachHandsEachStreamOver leaves one out: the others must keep their names.
func TestAttachHandsEachStreamOver(t *testing.T) {
	g := &gate{}
	c := serve(t, filepath.Join(t.TempDir(), "s"), g)
	input, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	errors, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Attach(t.Context(), console.Streams{Stdin: input, Stderr: stderr}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{input, stderr} { // the peer has its own
		f.Close()
	}
	if g.attached.Stdin == nil || g.attached.Stdout != nil || g.attached.Stderr == nil {
		t.Fatalf("attached %+v", g.attached)
	}
	defer g.attached.Stdin.Close()
	if _, err := stdin.WriteString("in"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.attached.Stderr.WriteString("out"); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	g.attached.Stderr.Close()
	in, err := io.ReadAll(g.attached.Stdin)
	if err != nil || string(in) != "in" {
		t.Errorf("stdin %q, %v", in, err)
	}
	out, err := io.ReadAll(errors)
	if err != nil || string(out) != "out" {
		t.Errorf("stderr %q, %v", out, err)
	}
	errors.Close()
}

func TestAttachWantsTheFilesItNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path, &gate{})
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := wire.Send(conn, request{Method: methodAttach, Stdin: true, Stdout: true}, os.Stdin); err != nil {
		t.Fatal(err)
	}
	_, err = wire.Receive(conn, &response{})
	if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Message != "attach: 1 files, want 2" {
		t.Fatalf("got %v", err)
	}
}

func TestResizeTellsWhatTheWorkerSays(t *testing.T) {
	c := serve(t, filepath.Join(t.TempDir(), "s"), &gate{})
	if err := c.Resize(t.Context(), terminal.Size{Width: 80, Height: 24}); err != nil {
		t.Error(err)
	}
	if err := c.Resize(t.Context(), terminal.Size{}); err == nil || err.Error() != "resize: no width" {
		t.Errorf("got %v", err)
	}
}

func TestLongSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control.sock")
	c := serve(t, path, &gate{})
	if _, err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket %v, %v: want mode 0600", info, err)
	}
}

func TestAWorkerThatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if _, err := Dial(path).Start(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Dial(path).Start(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	g := &gate{block: make(chan struct{})}
	c := serve(t, filepath.Join(t.TempDir(), "s"), g)
	defer close(g.block)
	reason := errors.New("the pod is going away")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
	if _, err := c.Start(ctx); !errors.Is(err, reason) {
		t.Fatalf("got %v", err)
	}
}

func TestUnknownMethodIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path, &gate{})
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := wire.Send(conn, request{Method: "fly"}); err != nil {
		t.Fatal(err)
	}
	_, err = wire.Receive(conn, &response{})
	failure, ok := errors.AsType[*spec.Failure](err)
	if !ok || failure.Class != spec.Invalid {
		t.Fatalf("got %v", err)
	}
}

// TestOnlyRootMayCall connects as another user, whose identity the kernel
// vouches for.
func TestOnlyRootMayCall(t *testing.T) {
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	g := &gate{}
	serve(t, path, g)
	if err := errors.Join(os.Chmod(dir, 0o777), os.Chmod(path, 0o777)); err != nil {
		t.Fatal(err)
	}
	err = asUser(65534, func() error {
		_, err := Dial(path).Start(t.Context())
		return err
	})
	failure, ok := errors.AsType[*spec.Failure](err)
	if !ok || !strings.Contains(failure.Message, "control call by uid 65534") {
		t.Fatalf("got %v", err)
	}
	if !g.started.IsZero() {
		t.Fatal("the call was served")
	}
}

// asUser runs fn on a thread of its own whose effective user is uid.
func asUser(uid int, fn func() error) error {
	done := make(chan error)
	go func() {
		goruntime.LockOSThread() // for good: the thread ends with the goroutine
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			done <- errno
			return
		}
		done <- fn()
	}()
	return <-done
}
