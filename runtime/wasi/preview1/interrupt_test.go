// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero/sys"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// TestInterruptEndsEveryKindOfWait starts a call that would wait for ever, waits until it does, and
// interrupts it.
func TestInterruptEndsEveryKindOfWait(t *testing.T) {
	const code = 143
	for name, start := range map[string]func(t *testing.T, c *wasitest.Caller) error{
		"fd_read of a pipe": func(_ *testing.T, c *wasitest.Caller) error {
			c.PutVectors(atIovs, [2]uint32{atData, 1})
			_, err := c.Call(p1("fd_read"), 0, atIovs, 1, atResult)
			return err
		},
		"fd_write to a full pipe": func(_ *testing.T, c *wasitest.Caller) error {
			c.PutVectors(atIovs, [2]uint32{0, 1 << 16}, [2]uint32{0, 1 << 16}, [2]uint32{0, 1 << 16})
			_, err := c.Call(p1("fd_write"), 1, atIovs, 3, atResult)
			return err
		},
		"sock_accept": func(_ *testing.T, c *wasitest.Caller) error {
			_, err := c.Call(p1("sock_accept"), 4, 0, atResult)
			return err
		},
		"sock_recv": func(_ *testing.T, c *wasitest.Caller) error {
			c.PutVectors(atIovs, [2]uint32{atData, 1})
			c.Expect(wasi.ESUCCESS, p1("fd_fdstat_set_flags"), 5, 0)
			_, err := c.Call(p1("sock_recv"), 5, atIovs, 1, 0, atResult, atResult2)
			return err
		},
		"a sleep": func(_ *testing.T, c *wasitest.Caller) error {
			putSubs(c, 48, 16, []sub{timer(1, 1e18)})
			_, err := c.Call(p1("poll_oneoff"), atData, atEvents, 1, atResult)
			return err
		},
		"a poll without a clock": func(_ *testing.T, c *wasitest.Caller) error {
			putSubs(c, 48, 16, []sub{{kind: subRead, fd: 0}, {kind: subRead, fd: 4}})
			_, err := c.Call(p1("poll_oneoff"), atData, atEvents, 2, atResult)
			return err
		},
		"fd_read of a FIFO nobody writes": func(t *testing.T, c *wasitest.Caller) error {
			fd := open(t, c, "fifo", 0, 0)
			c.PutVectors(atIovs, [2]uint32{atData, 1})
			_, err := c.Call(p1("fd_read"), fd, atIovs, 1, atResult)
			return err
		},
		"path_open of a FIFO nobody reads": func(_ *testing.T, c *wasitest.Caller) error {
			_, _, err := openWith(c, "fifo", 0, 0, uint64(wasi.RightFDWrite), 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
				t.Fatal(err)
			}
			in, _ := wasitest.Pipe(t)
			_, out := wasitest.Pipe(t)
			ln, addr := wasitest.Listen(t)
			conn, err := dial(t, addr).File()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			c, s := caller(t, wasi.Options{
				Stdin: wasi.StdioFD(in), Stdout: wasi.StdioFD(out), Preopens: wasitest.Dir(t, dir),
				Listeners: []wasi.Listener{silent(t), {FD: int(conn.Fd())}, ln},
			})
			done := make(chan error)
			go func() { done <- start(t, c) }()
			wasitest.AwaitSleep(t, s)
			s.Interrupt(code)
			s.Interrupt(code + 1) // the first one counts
			var exit *sys.ExitError
			if err := <-done; !errors.As(err, &exit) || exit.ExitCode() != code {
				t.Errorf("the call ended with %v, want exit code %d", err, code)
			}
		})
	}
}

// silent is a listener nobody connects to.
func silent(t *testing.T) wasi.Listener {
	t.Helper()
	ln, _ := wasitest.Listen(t)
	return ln
}

func TestInterruptBeforeACallEndsTheGuestThere(t *testing.T) {
	c, s := caller(t, wasi.Options{})
	s.Interrupt(9)
	_, err := c.Call(p1("sched_yield"))
	var exit *sys.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 9 {
		t.Fatalf("%v, want exit code 9", err)
	}
}

func TestInterruptAfterCloseIsHarmless(t *testing.T) {
	s, err := wasi.New(wasi.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s.Interrupt(1)
}

func TestFIFOsConnectAsBlockingOnesDo(t *testing.T) {
	c, dir := inDir(t)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errno, _ := openWith(c, "fifo", 0, 0, uint64(wasi.RightFDWrite), uint64(wasi.FlagNonblock)); errno != wasi.ENXIO {
		t.Errorf("non-blocking open for writing: %v, want %v", errno, wasi.ENXIO)
	}
	got := make(chan string)
	go func() {
		b, err := os.ReadFile(fifo)
		if err != nil {
			t.Error(err)
		}
		got <- string(b)
	}()
	fd, errno, err := openWith(c, "fifo", 0, 0, uint64(wasi.RightFDWrite), 0)
	if errno != wasi.ESUCCESS || err != nil {
		t.Fatal(errno, err)
	}
	write(t, c, fd, "through the pipe")
	c.Expect(wasi.ESUCCESS, p1("fd_close"), fd)
	if s := <-got; s != "through the pipe" {
		t.Errorf("the other side read %q", s)
	}

	fd, errno, err = openWith(c, "fifo", 0, 0, uint64(wasi.RightFDRead), 0)
	if errno != wasi.ESUCCESS || err != nil {
		t.Fatal(errno, err)
	}
	go func() {
		if err := os.WriteFile(fifo, []byte("back"), 0); err != nil {
			t.Error(err)
		}
	}()
	if s := read(t, c, fd, 10); s != "back" {
		t.Errorf("read %q", s)
	}
	if s := read(t, c, fd, 10); s != "" {
		t.Errorf("after the writer left: %q", s)
	}
}
