// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// open opens a path without waiting for the other end of a FIFO, with one exception: one without a
// reader cannot be opened for writing that way (ENXIO). A guest that did not ask for that error waits.
func (d *Descriptor) open(path string, how int, flags FDFlags) (int, Errno) {
	fd, errno := d.resolve(path, how, createMode(how))
	if errno != ENXIO || how&unix.O_ACCMODE != unix.O_WRONLY || flags&FlagNonblock != 0 {
		return fd, errno
	}
	if !d.isFIFO(path, how) {
		return -1, ENXIO // a socket, a device without a driver
	}
	return d.awaitReader(path, how)
}

func (d *Descriptor) isFIFO(path string, how int) bool {
	fd, errno := d.resolve(path, unix.O_PATH|how&unix.O_NOFOLLOW, 0)
	if errno != ESUCCESS {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// awaitReader opens a FIFO for writing when somebody opens it for reading. No event announces a
// reader that itself waits in open, so a thread of its own waits there, while the guest's waits in the
// poller. When the guest is to end, the FIFO is opened for reading to let that thread go.
func (d *Descriptor) awaitReader(path string, how int) (int, Errno) {
	done, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, ErrnoOf(err)
	}
	type result struct {
		fd    int
		errno Errno
	}
	opened := make(chan result, 1)
	go func() {
		fd, errno := d.resolve(path, how&^unix.O_NONBLOCK, createMode(how))
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		_, _ = unix.Write(done, one[:])
		opened <- result{fd, errno} // from here on, done is the guest thread's to close
	}()
	interrupted := d.sys.wait(done, unix.POLLIN)
	if interrupted != ESUCCESS {
		reader, errno := d.resolve(path, unix.O_RDONLY|unix.O_NONBLOCK|how&unix.O_NOFOLLOW, 0)
		if errno != ESUCCESS {
			return -1, interrupted // it was moved away; the thread ends with the process
		}
		defer unix.Close(reader)
	}
	r := <-opened
	_ = unix.Close(done)
	switch {
	case r.errno != ESUCCESS:
		return -1, r.errno
	case interrupted != ESUCCESS:
		_ = unix.Close(r.fd)
		return -1, interrupted
	}
	return r.fd, ErrnoOf(unix.SetNonblock(r.fd, true))
}
