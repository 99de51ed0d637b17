// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// beside runs do in a goroutine of its own while the guest's thread waits for it in the poller: the
// way for the few things that can wait only inside Go or the kernel. When the guest is to end first
// (EINTR), cancel makes do end; where it answers that it could not, do is left to the end of the process.
func (s *System) beside(do func(), cancel func() bool) Errno {
	done, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return ErrnoOf(err)
	}
	ended := make(chan struct{})
	go func() {
		do()
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(done, one[:])
		close(ended) // from here on, done is the other side's to close
	}()
	errno := s.wait(done, unix.POLLIN, forever)
	if errno != ESUCCESS && !cancel() {
		return errno
	}
	<-ended
	_ = unix.Close(done)
	return errno
}
