// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// Errno is the result of one host operation: zero, or why it did not happen.
//
// The numbers are those of preview 1 (`errno` in wasi_snapshot_preview1.witx; wasi_unstable uses the
// same), so that face hands them on unchanged. Functions return Errno rather than error because a
// value costs nothing on paths a guest calls a million times a second.
type Errno uint16

// The preview 1 error numbers. Names follow POSIX.
const (
	ESUCCESS Errno = iota
	E2BIG
	EACCES
	EADDRINUSE
	EADDRNOTAVAIL
	EAFNOSUPPORT
	EAGAIN
	EALREADY
	EBADF
	EBADMSG
	EBUSY
	ECANCELED
	ECHILD
	ECONNABORTED
	ECONNREFUSED
	ECONNRESET
	EDEADLK
	EDESTADDRREQ
	EDOM
	EDQUOT
	EEXIST
	EFAULT
	EFBIG
	EHOSTUNREACH
	EIDRM
	EILSEQ
	EINPROGRESS
	EINTR
	EINVAL
	EIO
	EISCONN
	EISDIR
	ELOOP
	EMFILE
	EMLINK
	EMSGSIZE
	EMULTIHOP
	ENAMETOOLONG
	ENETDOWN
	ENETRESET
	ENETUNREACH
	ENFILE
	ENOBUFS
	ENODEV
	ENOENT
	ENOEXEC
	ENOLCK
	ENOLINK
	ENOMEM
	ENOMSG
	ENOPROTOOPT
	ENOSPC
	ENOSYS
	ENOTCONN
	ENOTDIR
	ENOTEMPTY
	ENOTRECOVERABLE
	ENOTSOCK
	ENOTSUP
	ENOTTY
	ENXIO
	EOVERFLOW
	EOWNERDEAD
	EPERM
	EPIPE
	EPROTO
	EPROTONOSUPPORT
	EPROTOTYPE
	ERANGE
	EROFS
	ESPIPE
	ESRCH
	ESTALE
	ETIMEDOUT
	ETXTBSY
	EXDEV
	ENOTCAPABLE
)

// kernelErrnos maps what Linux answers to what WASI knows. Numbers WASI has no name for become the
// nearest thing a program already handles, and EIO where there is none.
var kernelErrnos = map[unix.Errno]Errno{
	unix.E2BIG: E2BIG, unix.EACCES: EACCES, unix.EADDRINUSE: EADDRINUSE,
	unix.EADDRNOTAVAIL: EADDRNOTAVAIL, unix.EAFNOSUPPORT: EAFNOSUPPORT, unix.EAGAIN: EAGAIN,
	unix.EALREADY: EALREADY, unix.EBADF: EBADF, unix.EBADMSG: EBADMSG, unix.EBUSY: EBUSY,
	unix.ECANCELED: ECANCELED, unix.ECHILD: ECHILD, unix.ECONNABORTED: ECONNABORTED,
	unix.ECONNREFUSED: ECONNREFUSED, unix.ECONNRESET: ECONNRESET, unix.EDEADLK: EDEADLK,
	unix.EDESTADDRREQ: EDESTADDRREQ, unix.EDOM: EDOM, unix.EDQUOT: EDQUOT, unix.EEXIST: EEXIST,
	unix.EFAULT: EFAULT, unix.EFBIG: EFBIG, unix.EHOSTUNREACH: EHOSTUNREACH, unix.EIDRM: EIDRM,
	unix.EILSEQ: EILSEQ, unix.EINPROGRESS: EINPROGRESS, unix.EINTR: EINTR, unix.EINVAL: EINVAL,
	unix.EIO: EIO, unix.EISCONN: EISCONN, unix.EISDIR: EISDIR, unix.ELOOP: ELOOP,
	unix.EMFILE: EMFILE, unix.EMLINK: EMLINK, unix.EMSGSIZE: EMSGSIZE, unix.EMULTIHOP: EMULTIHOP,
	unix.ENAMETOOLONG: ENAMETOOLONG, unix.ENETDOWN: ENETDOWN, unix.ENETRESET: ENETRESET,
	unix.ENETUNREACH: ENETUNREACH, unix.ENFILE: ENFILE, unix.ENOBUFS: ENOBUFS,
	unix.ENODEV: ENODEV, unix.ENOENT: ENOENT, unix.ENOEXEC: ENOEXEC, unix.ENOLCK: ENOLCK,
	unix.ENOLINK: ENOLINK, unix.ENOMEM: ENOMEM, unix.ENOMSG: ENOMSG,
	unix.ENOPROTOOPT: ENOPROTOOPT, unix.ENOSPC: ENOSPC, unix.ENOSYS: ENOSYS,
	unix.ENOTCONN: ENOTCONN, unix.ENOTDIR: ENOTDIR, unix.ENOTEMPTY: ENOTEMPTY,
	unix.ENOTRECOVERABLE: ENOTRECOVERABLE, unix.ENOTSOCK: ENOTSOCK, unix.EOPNOTSUPP: ENOTSUP,
	unix.ENOTTY: ENOTTY, unix.ENXIO: ENXIO, unix.EOVERFLOW: EOVERFLOW,
	unix.EOWNERDEAD: EOWNERDEAD, unix.EPERM: EPERM, unix.EPIPE: EPIPE, unix.EPROTO: EPROTO,
	unix.EPROTONOSUPPORT: EPROTONOSUPPORT, unix.EPROTOTYPE: EPROTOTYPE, unix.ERANGE: ERANGE,
	unix.EROFS: EROFS, unix.ESPIPE: ESPIPE, unix.ESRCH: ESRCH, unix.ESTALE: ESTALE,
	unix.ETIMEDOUT: ETIMEDOUT, unix.ETXTBSY: ETXTBSY, unix.EXDEV: EXDEV,
	unix.ESHUTDOWN: EPIPE, unix.EHOSTDOWN: EHOSTUNREACH, unix.EPFNOSUPPORT: EAFNOSUPPORT,
	unix.ESOCKTNOSUPPORT: EPROTONOSUPPORT, unix.ENOMEDIUM: ENXIO, unix.ETOOMANYREFS: ENOBUFS,
	unix.EUSERS: ENOBUFS, unix.ENONET: ENETDOWN,
}

// kernelTable is kernelErrnos as an array: a lookup on a hot path must not hash.
var kernelTable = func() (t [134]Errno) {
	for i := range t {
		t[i] = EIO
	}
	t[0] = ESUCCESS
	for k, e := range kernelErrnos {
		t[k] = e
	}
	return t
}()

// fromKernel translates a system call's error number.
func fromKernel(e unix.Errno) Errno {
	if int(e) < len(kernelTable) {
		return kernelTable[e]
	}
	return EIO
}

// ErrnoOf finds the Errno in a Go error: its own, or that of the system call beneath it; EIO for an
// error that names neither.
func ErrnoOf(err error) Errno {
	if err == nil {
		return ESUCCESS
	}
	if e, ok := errors.AsType[Errno](err); ok {
		return e
	}
	if k, ok := errors.AsType[unix.Errno](err); ok {
		return fromKernel(k)
	}
	return EIO
}

// Error names the errno for logs and tests.
func (e Errno) Error() string {
	if int(e) < len(errnoNames) {
		return errnoNames[e]
	}
	return "errno " + strconv.Itoa(int(e))
}

var errnoNames = [...]string{
	"success", "argument list too long", "permission denied", "address in use",
	"address not available", "address family not supported", "resource unavailable, try again",
	"connection already in progress", "bad file descriptor", "bad message", "resource busy",
	"operation canceled", "no child processes", "connection aborted", "connection refused",
	"connection reset", "resource deadlock would occur", "destination address required",
	"argument out of domain", "quota exceeded", "file exists", "bad address", "file too large",
	"host is unreachable", "identifier removed", "illegal byte sequence", "operation in progress",
	"interrupted", "invalid argument", "input/output error", "socket is connected",
	"is a directory", "too many levels of symbolic links", "file descriptor table full",
	"too many links", "message too large", "multihop attempted", "file name too long",
	"network is down", "connection aborted by network", "network unreachable",
	"too many files open in system", "no buffer space available", "no such device",
	"no such file or directory", "executable format error", "no locks available",
	"link has been severed", "not enough memory", "no message of that type",
	"protocol not available", "no space left on device", "function not supported",
	"socket is not connected", "not a directory", "directory not empty", "state not recoverable",
	"not a socket", "not supported", "inappropriate I/O control operation",
	"no such device or address", "value too large", "previous owner died",
	"operation not permitted", "broken pipe", "protocol error", "protocol not supported",
	"protocol wrong type for socket", "result too large", "read-only file system",
	"invalid seek", "no such process", "stale file handle", "connection timed out",
	"text file busy", "cross-device link", "capabilities insufficient",
}
