// SPDX-License-Identifier: Apache-2.0

package wasitest

import (
	"net"
	"os"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// New makes a System and closes it when the test ends.
func New(tb testing.TB, o wasi.Options) *wasi.System {
	tb.Helper()
	s, err := wasi.New(o)
	check(tb, err)
	tb.Cleanup(func() { check(tb, s.Close()) })
	return s
}

// Dir is a preopen of a directory under "/".
func Dir(tb testing.TB, dir string) []wasi.Preopen {
	tb.Helper()
	f, err := os.Open(dir)
	check(tb, err)
	tb.Cleanup(func() { check(tb, f.Close()) })
	return []wasi.Preopen{{Path: "/", FD: int(f.Fd())}}
}

// Pipe is a pipe whose ends are blocking and stay open for the test; either may be closed sooner.
func Pipe(tb testing.TB) (r, w int) {
	tb.Helper()
	var fds [2]int
	check(tb, unix.Pipe2(fds[:], unix.O_CLOEXEC))
	tb.Cleanup(func() {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

// Listen is a TCP listener on the loopback, to hand to a guest, and its address.
func Listen(tb testing.TB) (wasi.Listener, string) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(tb, err)
	f, err := ln.(*net.TCPListener).File()
	check(tb, err)
	tb.Cleanup(func() { check(tb, f.Close()) })
	check(tb, ln.Close())
	return wasi.Listener{FD: int(f.Fd()), Name: "test"}, ln.Addr().String()
}

// AwaitSleep returns when a thread of the guest sleeps in the kernel, or is about to.
func AwaitSleep(tb testing.TB, s *wasi.System) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); s.Sleeping() == 0; goruntime.Gosched() {
		if time.Now().After(deadline) {
			tb.Fatal("the guest does not sleep")
		}
	}
}

// EndWhenAsleep makes a call and interrupts the guest if it waits.
func EndWhenAsleep(s *wasi.System, call func() error) error {
	var done atomic.Bool
	watch := make(chan struct{})
	go func() {
		defer close(watch)
		for ; !done.Load(); goruntime.Gosched() {
			if s.Sleeping() > 0 {
				s.Interrupt(1)
				return
			}
		}
	}()
	defer func() {
		done.Store(true)
		<-watch
	}()
	return call()
}
