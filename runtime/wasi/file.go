// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SeekTo moves the position and returns it (fd_seek).
func (d *Descriptor) SeekTo(offset int64, whence Whence) (uint64, Errno) {
	if whence > SeekEnd {
		return 0, EINVAL
	}
	if d.fd < 0 {
		return 0, ESPIPE
	}
	pos, err := unix.Seek(d.fd, offset, int(whence))
	if err != nil {
		return 0, ErrnoOf(err)
	}
	return uint64(pos), ESUCCESS
}

// Filestat is the file's attributes (fd_filestat_get).
func (d *Descriptor) Filestat() (Filestat, Errno) {
	if d.fd < 0 {
		return Filestat{Type: d.kind, Nlink: 1}, ESUCCESS
	}
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return Filestat{}, ErrnoOf(err)
	}
	fs := filestatOf(&st)
	fs.Type = d.kind // fstat does not know datagram sockets from streams
	return fs, ESUCCESS
}

// SetSize cuts or extends the file (fd_filestat_set_size).
func (d *Descriptor) SetSize(size uint64) Errno {
	if size > math.MaxInt64 {
		return EINVAL
	}
	return d.kernel(unix.Ftruncate(d.fd, int64(size)))
}

// SetTimes sets the file's times (fd_filestat_set_times).
func (d *Descriptor) SetTimes(atim, mtim uint64, flags SetTimes) Errno {
	ts, errno := flags.timespecs(atim, mtim)
	if errno != ESUCCESS {
		return errno
	}
	// utimensat on a null path sets the descriptor's own times; the wrappers want a path.
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(d.fd), 0,
		uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	return fromKernel(e)
}

// Allocate makes sure the range is backed by storage, extending the file where needed (fd_allocate).
func (d *Descriptor) Allocate(offset, length uint64) Errno {
	if offset > math.MaxInt64 || length > math.MaxInt64 || offset+length > math.MaxInt64 {
		return EFBIG
	}
	return d.kernel(unix.Fallocate(d.fd, 0, int64(offset), int64(length)))
}

// Advise tells the kernel what reads to expect (fd_advise).
func (d *Descriptor) Advise(offset, length uint64, advice Advice) Errno {
	if int(advice) >= len(kernelAdvice) || offset > math.MaxInt64 || length > math.MaxInt64 {
		return EINVAL
	}
	if d.kind == FileDirectory {
		return ESUCCESS // advice on something the kernel does not read ahead
	}
	return d.kernel(unix.Fadvise(d.fd, int64(offset), int64(length), kernelAdvice[advice]))
}

// Sync writes the file's data and attributes to its storage (fd_sync).
func (d *Descriptor) Sync() Errno { return d.kernel(unix.Fsync(d.fd)) }

// Datasync writes the file's data to its storage (fd_datasync).
func (d *Descriptor) Datasync() Errno { return d.kernel(unix.Fdatasync(d.fd)) }

// kernel translates the result of a call on d.fd. What is no file of the kernel's gets the answer a
// pipe would.
func (d *Descriptor) kernel(err error) Errno {
	if d.fd < 0 {
		return EINVAL
	}
	return ErrnoOf(err)
}

// Available is how many bytes a read would find now, as far as the kernel tells.
func (d *Descriptor) Available() uint64 {
	switch {
	case d.fd < 0 || d.kind == FileDirectory:
		return 0
	case d.listening.Load():
		return 1 // a connection, not bytes
	case d.waits:
		n, err := unix.IoctlGetInt(d.fd, unix.TIOCINQ)
		if err != nil || n < 0 {
			return 0
		}
		return uint64(n)
	}
	var st unix.Stat_t
	pos, err := unix.Seek(d.fd, 0, unix.SEEK_CUR)
	if err != nil || unix.Fstat(d.fd, &st) != nil || st.Size < pos {
		return 0
	}
	return uint64(st.Size - pos)
}
