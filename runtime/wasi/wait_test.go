// SPDX-License-Identifier: Apache-2.0

package wasi_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// TestIdle: a guest that waits for long is told once that it is idle, on its own
// thread and before it goes on; and once more after it was woken.
func TestIdle(t *testing.T) {
	r, w := wasitest.Pipe(t)
	idle := make(chan struct{}, 10)
	s := wasitest.New(t, wasi.Options{Stdin: wasi.StdioFD(r), Idle: func() { idle <- struct{}{} }})
	d := acquire(t, s, 0)
	const rounds = 3
	read := make(chan wasi.Errno, rounds)
	go func() {
		for range rounds {
			v := vectors(t, make([]byte, 1))
			_, errno := d.Read(v)
			v.Release()
			read <- errno
		}
	}()
	for range rounds {
		<-idle
		if _, err := unix.Write(w, []byte{1}); err != nil {
			t.Fatal(err)
		}
		if errno := <-read; errno != wasi.ESUCCESS {
			t.Fatal(errno)
		}
	}
	if len(idle) != 0 {
		t.Errorf("told %d times too often", len(idle))
	}
}
