// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"golang.org/x/sys/unix"
)

// Read fills the buffers from the descriptor's position (fd_read). Zero bytes mean the end of the
// file. On a descriptor that can block it waits unless the guest made it non-blocking (EAGAIN);
// EINTR says that Interrupt ended the wait.
func (d *Descriptor) Read(v *Vectors) (int, Errno) {
	if d.fd < 0 || v.empty() {
		return 0, ESUCCESS
	}
	if !d.waits {
		return v.call(unix.SYS_READV, d.fd, 0, 0, 0)
	}
	for {
		n, errno := d.tryRead(v)
		if errno != EAGAIN || !d.blocking() {
			return n, errno
		}
		if errno := d.await(unix.POLLIN); errno != ESUCCESS {
			return 0, errno
		}
	}
}

// tryRead reads what is there; EAGAIN where nothing is.
func (d *Descriptor) tryRead(v *Vectors) (int, Errno) {
	n, errno := d.transfer(v, unix.SYS_READV, unix.SYS_PREADV2, unix.POLLIN)
	if n == 0 && errno == ESUCCESS && d.fifo && pollNow(d.fd, unix.POLLIN)&unix.POLLHUP == 0 {
		// A FIFO opened here without waiting for a writer, and none came yet: not its end.
		return 0, EAGAIN
	}
	return n, errno
}

// Write writes the buffers at the descriptor's position, or at the end with FlagAppend (fd_write).
// On a descriptor that can block it writes everything, waiting as needed, or with FlagNonblock what
// there is room for.
func (d *Descriptor) Write(v *Vectors) (int, Errno) {
	if v.empty() {
		return 0, ESUCCESS
	}
	if d.sink != nil {
		return d.writeSink(v)
	}
	if !d.waits {
		return v.call(unix.SYS_WRITEV, d.fd, 0, 0, 0)
	}
	done := 0
	for !v.empty() {
		n, errno := d.tryWrite(v)
		done += n
		v.advance(n)
		if errno == EAGAIN && d.blocking() {
			if errno = d.await(unix.POLLOUT); errno == ESUCCESS {
				continue
			}
		}
		if errno != ESUCCESS || !d.blocking() {
			return done, firstErrno(done, errno)
		}
	}
	return done, ESUCCESS
}

// firstErrno hides an error behind what was already transferred: the next call meets it again.
func firstErrno(done int, errno Errno) Errno {
	if done > 0 && errno != EINTR {
		return ESUCCESS
	}
	return errno
}

// tryWrite writes what there is room for; EAGAIN where there is none.
func (d *Descriptor) tryWrite(v *Vectors) (int, Errno) {
	return d.transfer(v, unix.SYS_WRITEV, unix.SYS_PWRITEV2, unix.POLLOUT)
}

// transfer makes one read or write that does not block. Descriptors opened here are O_NONBLOCK. Those
// inherited may share their description with another process (a shell's terminal), which that flag
// would break, so they are asked with RWF_NOWAIT; where the kernel has it not for that kind of file,
// the poller is asked first.
func (d *Descriptor) transfer(v *Vectors, trap, nowait uintptr, event int16) (int, Errno) {
	if d.nonblock {
		d.begin(event)
		n, errno := v.call(trap, d.fd, 0, 0, 0)
		d.moved(event, n)
		return n, errno
	}
	if !d.noNowait.Load() {
		n, errno := v.call(nowait, d.fd, currentOffset, currentOffset, unix.RWF_NOWAIT)
		if errno != ENOTSUP && errno != ENOSYS {
			return n, errno
		}
		d.noNowait.Store(true)
	}
	if pollNow(d.fd, event) == 0 {
		return 0, EAGAIN
	}
	if event == unix.POLLOUT {
		// POLLOUT promises a pipe room for this much; more could block.
		b := v.front()
		n, err := unix.Write(d.fd, b[:min(len(b), pipeBuf)])
		return max(n, 0), ErrnoOf(err)
	}
	return v.call(trap, d.fd, 0, 0, 0)
}

// pipeBuf is PIPE_BUF of Linux.
const pipeBuf = 4096

func (d *Descriptor) writeSink(v *Vectors) (int, Errno) {
	d.sys.Collect()
	done := 0
	for !v.empty() {
		b := v.front()
		n, err := d.sink.Write(b)
		if n < 0 || n > len(b) {
			return done, EIO
		}
		done += n
		if err != nil {
			return done, firstErrno(done, ErrnoOf(err))
		}
		v.advance(n)
		if n < len(b) {
			return done, ESUCCESS
		}
	}
	return done, ESUCCESS
}

// ReadAt fills the buffers from an offset, leaving the position alone (fd_pread).
func (d *Descriptor) ReadAt(v *Vectors, offset uint64) (int, Errno) {
	return d.at(v, unix.SYS_PREADV, offset)
}

// WriteAt writes the buffers at an offset, leaving the position alone (fd_pwrite). With FlagAppend
// they go to the end, as Linux has it.
func (d *Descriptor) WriteAt(v *Vectors, offset uint64) (int, Errno) {
	return d.at(v, unix.SYS_PWRITEV, offset)
}

func (d *Descriptor) at(v *Vectors, trap uintptr, offset uint64) (int, Errno) {
	if d.fd < 0 {
		return 0, ESPIPE
	}
	if int64(offset) < 0 {
		return 0, EINVAL
	}
	// The kernel takes the offset in two words and, on 64-bit machines, uses the first alone.
	return v.call(trap, d.fd, uintptr(offset), 0, 0)
}
