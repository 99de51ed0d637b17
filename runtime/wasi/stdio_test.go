// SPDX-License-Identifier: Apache-2.0

package wasi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

func acquire(t *testing.T, s *wasi.System, fd uint32) *wasi.Descriptor {
	t.Helper()
	d, errno := s.Acquire(fd)
	if errno != wasi.ESUCCESS {
		t.Fatalf("descriptor %d: %v", fd, errno)
	}
	t.Cleanup(func() { d.Release() })
	return d
}

// vectors are buffers of 1000 bytes each over b.
func vectors(t *testing.T, b []byte) *wasi.Vectors {
	t.Helper()
	v := wasi.NewVectors()
	for len(b) > 0 {
		n := min(1000, len(b))
		if errno := v.Add(b[:n]); errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
		b = b[n:]
	}
	return v
}

func nonblocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

// TestLargeWritesToSharedPipesComplete writes more than a pipe holds to a reader that starts late,
// with the kernel's help against blocking and without.
func TestLargeWritesToSharedPipesComplete(t *testing.T) {
	for _, nowait := range []bool{true, false} {
		t.Run(fmt.Sprintf("nowait=%v", nowait), func(t *testing.T) {
			r, w := wasitest.Pipe(t)
			s := wasitest.New(t, wasi.Options{Stdout: wasi.StdioFD(w)})
			d := acquire(t, s, 1)
			if !nowait {
				d.WithoutNowait()
			}
			sent := bytes.Repeat([]byte("0123456789abcdef"), 20000)
			done := make(chan error)
			go func() {
				v := vectors(t, sent)
				defer v.Release()
				if n, errno := d.Write(v); n != len(sent) || errno != wasi.ESUCCESS {
					done <- fmt.Errorf("%d bytes written, %w", n, errno)
				}
				close(done)
			}()
			wasitest.AwaitSleep(t, s)
			got := make([]byte, len(sent))
			f := os.NewFile(uintptr(dup(t, r)), "pipe")
			defer func() { _ = f.Close() }()
			if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("read back: %v, equal %v", err, bytes.Equal(got, sent))
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if nonblocking(t, w) {
				t.Error("the pipe was made non-blocking for everyone who shares it")
			}
		})
	}
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNonBlockingIsTheGuestsAlone(t *testing.T) {
	for _, nowait := range []bool{true, false} {
		r, _ := wasitest.Pipe(t)
		s := wasitest.New(t, wasi.Options{Stdin: wasi.StdioFD(r)})
		d := acquire(t, s, 0)
		if !nowait {
			d.WithoutNowait()
		}
		if errno := d.SetFlags(wasi.FlagNonblock); errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
		v := vectors(t, make([]byte, 10))
		if n, errno := d.Read(v); n != 0 || errno != wasi.EAGAIN {
			t.Errorf("read of an empty pipe: %d, %v", n, errno)
		}
		v.Release()
		if nonblocking(t, r) {
			t.Error("the pipe was made non-blocking for everyone who shares it")
		}
	}
}

// pty opens a terminal.
func pty(t *testing.T) (master, slave int) {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(master) })
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(slave) })
	return master, slave
}

func TestTerminals(t *testing.T) {
	master, slave := pty(t)
	s := wasitest.New(t, wasi.Options{Stdin: wasi.StdioFD(slave), Stdout: wasi.StdioFD(slave)})
	d := acquire(t, s, 0)
	base, _ := d.Rights()
	if d.Type() != wasi.FileCharacterDevice || base&(wasi.RightFDSeek|wasi.RightFDTell) != 0 {
		t.Errorf("type %d, rights %x: libraries will not take it for a terminal", d.Type(), base)
	}
	type result struct {
		n     int
		errno wasi.Errno
	}
	buf, done := make([]byte, 100), make(chan result)
	read := func() {
		v := vectors(t, buf)
		defer v.Release()
		n, errno := d.Read(v)
		done <- result{n, errno}
	}
	go read()
	wasitest.AwaitSleep(t, s)
	if _, err := unix.Write(master, []byte("line\n")); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.errno != wasi.ESUCCESS || string(buf[:r.n]) != "line\n" {
		t.Errorf("read %q, %v", buf[:r.n], r.errno)
	}
	go read()
	wasitest.AwaitSleep(t, s)
	s.Interrupt(1)
	if r := <-done; r.errno != wasi.EINTR {
		t.Errorf("interrupted read: %v", r.errno)
	}
	if nonblocking(t, slave) {
		t.Error("the terminal was made non-blocking for everyone who shares it")
	}
}

func TestClosingAStandardDescriptorClosesItForTheReader(t *testing.T) {
	r, w := wasitest.Pipe(t)
	s := wasitest.New(t, wasi.Options{Stdout: wasi.StdioFD(w)})
	if err := unix.Close(w); err != nil { // the caller's own
		t.Fatal(err)
	}
	if errno := s.CloseFD(1); errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	var b [1]byte
	if n, err := unix.Read(r, b[:]); n != 0 || err != nil {
		t.Errorf("read %d, %v, want the end", n, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "file")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for name, o := range map[string]wasi.Options{
		"an argument with a NUL byte":     {Args: []string{"a\x00b"}},
		"a variable with a NUL byte":      {Env: []string{"A=\x00"}},
		"a closed stdin":                  {Stdin: wasi.StdioFD(1 << 20)},
		"a preopen that is no directory":  {Preopens: []wasi.Preopen{{Path: "/", FD: int(f.Fd())}}},
		"a listener that is no socket":    {Listeners: []wasi.Listener{{FD: int(f.Fd())}}},
		"a preopen that is not even open": {Preopens: []wasi.Preopen{{Path: "/", FD: 1 << 20}}},
	} {
		if s, err := wasi.New(o); err == nil {
			t.Errorf("%s: accepted", name)
			_ = s.Close()
		}
	}
}

func TestListenersAreAnnounced(t *testing.T) {
	a, _ := wasitest.Listen(t)
	b, _ := wasitest.Listen(t)
	b.Name = ""
	s := wasitest.New(t, wasi.Options{Env: []string{"X=1"}, Listeners: []wasi.Listener{a, b}})
	if got, want := string(s.Env().Blob), "X=1\x00LISTEN_FDS=2\x00LISTEN_FDNAMES=test:unknown\x00"; got != want {
		t.Errorf("environment %q, want %q", got, want)
	}
	s = wasitest.New(t, wasi.Options{Env: []string{"LISTEN_FDS=7", "LISTEN_FDNAMES="}, Listeners: []wasi.Listener{a}})
	if got, want := string(s.Env().Blob), "LISTEN_FDS=7\x00LISTEN_FDNAMES=\x00"; got != want {
		t.Errorf("environment %q, want %q", got, want)
	}
}

func TestErrnoOfFindsTheCause(t *testing.T) {
	for err, want := range map[error]wasi.Errno{
		nil:                                wasi.ESUCCESS,
		unix.ENOENT:                        wasi.ENOENT,
		&os.PathError{Err: unix.EROFS}:     wasi.EROFS,
		fmt.Errorf("sink: %w", wasi.EFBIG): wasi.EFBIG,
		errors.New("anything"):             wasi.EIO,
		unix.Errno(4000):                   wasi.EIO,
		unix.EUCLEAN:                       wasi.EIO,
		unix.ESHUTDOWN:                     wasi.EPIPE,
	} {
		if got := wasi.ErrnoOf(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
	if s := wasi.Errno(1000).Error(); s != "errno 1000" {
		t.Errorf("an unknown number is called %q", s)
	}
	if wasi.ENOTCAPABLE != 76 || wasi.ENOTCAPABLE.Error() != "capabilities insufficient" {
		t.Errorf("ENOTCAPABLE is %d, %q", uint16(wasi.ENOTCAPABLE), wasi.ENOTCAPABLE.Error())
	}
}
