// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"encoding/binary"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// timevalSize is the size of a struct timeval, the guest's and the kernel's.
const timevalSize = 16

// Option reads a socket option of the kernel's numbering (SOL_SOCKET, SO_x) into buf, in the kernel's
// form, and returns its length. SO_ERROR is an Errno.
func (d *Descriptor) Option(level, name int, buf []byte) (int, Errno) {
	if errno := d.checkSocket(0); errno != ESUCCESS {
		return 0, errno
	}
	if len(buf) == 0 {
		return 0, EINVAL
	}
	if timeout := d.timeout(level, name); timeout != nil {
		if len(buf) < timevalSize {
			return 0, EINVAL
		}
		us := timeout.Load() / 1e3
		binary.LittleEndian.PutUint64(buf, uint64(us/1e6))
		binary.LittleEndian.PutUint64(buf[8:], uint64(us%1e6))
		return timevalSize, ESUCCESS
	}
	n := uint32(len(buf))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(d.fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 {
		return 0, fromKernel(e)
	}
	if level == unix.SOL_SOCKET && name == unix.SO_ERROR && n >= 4 {
		errno := fromKernel(unix.Errno(binary.NativeEndian.Uint32(buf)))
		binary.LittleEndian.PutUint32(buf, uint32(errno))
	}
	return int(n), ESUCCESS
}

// SetOption sets a socket option of the kernel's numbering.
func (d *Descriptor) SetOption(level, name int, value []byte) Errno {
	if errno := d.checkSocket(0); errno != ESUCCESS {
		return errno
	}
	if timeout := d.timeout(level, name); timeout != nil {
		ns, errno := timeval(value)
		if errno == ESUCCESS {
			timeout.Store(ns)
		}
		return errno
	}
	return ErrnoOf(unix.SetsockoptString(d.fd, level, name, string(value)))
}

// timeout is where the option's value is kept, for the two the kernel cannot do: its sockets never
// wait here, so it is this package that must stop waiting.
func (d *Descriptor) timeout(level, name int) interface {
	Load() int64
	Store(ns int64)
} {
	switch {
	case level != unix.SOL_SOCKET:
	case name == unix.SO_RCVTIMEO:
		return &d.recvTimeout
	case name == unix.SO_SNDTIMEO:
		return &d.sendTimeout
	}
	return nil
}

// timeval reads a struct timeval as nanoseconds; one too long to matter is the longest there is.
func timeval(b []byte) (int64, Errno) {
	if len(b) < timevalSize {
		return 0, EINVAL
	}
	sec, usec := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	if sec < 0 || usec < 0 || usec >= 1e6 {
		return 0, EDOM // as on Linux
	}
	const longest = math.MaxInt64/int64(1e9) - 1
	if sec > longest {
		return math.MaxInt64, ESUCCESS
	}
	return sec*1e9 + usec*1e3, ESUCCESS
}
