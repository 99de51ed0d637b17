// SPDX-License-Identifier: Apache-2.0

package wasi

import "golang.org/x/sys/unix"

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
// reader that itself waits in open, so this waits in open too, beside the guest's thread. When the
// guest is to end, opening the FIFO for reading ends that.
func (d *Descriptor) awaitReader(path string, how int) (int, Errno) {
	fd, errno, reader := -1, ESUCCESS, -1
	interrupted := d.sys.beside(func() {
		fd, errno = d.resolve(path, how&^unix.O_NONBLOCK, createMode(how))
	}, func() bool {
		r, errno := d.resolve(path, unix.O_RDONLY|unix.O_NONBLOCK|how&unix.O_NOFOLLOW, 0)
		reader = r
		return errno == ESUCCESS // else it was moved away
	})
	if interrupted != ESUCCESS {
		if reader >= 0 {
			_ = unix.Close(reader)
			_ = unix.Close(fd)
		}
		return -1, interrupted
	}
	if errno != ESUCCESS {
		return -1, errno
	}
	return fd, ErrnoOf(unix.SetNonblock(fd, true))
}
