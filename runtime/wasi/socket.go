// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newListener takes over a socket handed in. It is shown as non-blocking, which unmodified programs
// built on an event loop (Go's net/http) need to work at all.
func (s *System) newListener(l Listener) (*Descriptor, error) {
	d, err := s.adopt(l.FD)
	if err != nil {
		return nil, err
	}
	if d.kind != FileSocketStream && d.kind != FileSocketDatagram {
		return nil, errors.Join(errors.New("not a socket"), closeErr(d))
	}
	if err := unix.SetNonblock(d.fd, true); err != nil {
		return nil, errors.Join(err, closeErr(d))
	}
	d.nonblock = true
	d.flags.Store(uint32(FlagNonblock))
	d.undeclared.Store(d.listening.Load())
	d.grant(d.applicable())
	return d, nil
}

// classifySocket tells streams from datagrams, and listeners.
func (d *Descriptor) classifySocket() error {
	kind, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return err
	}
	d.kind = FileSocketStream
	if kind == unix.SOCK_DGRAM {
		d.kind = FileSocketDatagram
	}
	accepts, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err == nil && accepts != 0 {
		d.sys.connections.adopt(d)
	}
	return nil
}

func (d *Descriptor) checkSocket(need Rights) Errno {
	if d.kind != FileSocketStream && d.kind != FileSocketDatagram {
		return ENOTSOCK
	}
	return d.Allow(need)
}

// Accept takes a connection from a listener (sock_accept); flags are the new descriptor's.
//
// A listener the guest was handed is non-blocking as soon as the guest looks at its flags, sets them
// or polls it. One that does none of that is written to wait in accept, as simple servers in C or
// Rust are: until then Accept waits.
func (d *Descriptor) Accept(flags FDFlags) (*Descriptor, Errno) {
	if errno := d.checkSocket(RightSockAccept); errno != ESUCCESS {
		return nil, errno
	}
	if flags&^FlagNonblock != 0 {
		return nil, EINVAL
	}
	d.sys.Collect()
	for {
		fd := d.fd
		if d.sys.connections.draining.Load() {
			fd = -1 // once its backlog is empty it never becomes ready again
		}
		n, errno := d.sys.connections.accept(d)
		switch {
		case errno == ESUCCESS:
			n.hand(d, flags)
			return n, ESUCCESS
		case errno != EAGAIN || !d.blocking() && !d.undeclared.Load():
			return nil, errno
		}
		if errno := d.sys.wait(fd, unix.POLLIN, time.Duration(d.recvTimeout.Load())); errno != ESUCCESS {
			return nil, errno
		}
	}
}

// hand gives a connection the flags the guest wants and the rights its listener passes on.
func (d *Descriptor) hand(listener *Descriptor, flags FDFlags) {
	d.flags.Store(uint32(flags))
	base, inheriting := d.applicable()
	_, ours := listener.Rights()
	d.grant(base&ours, inheriting&ours)
}

// RecvFlags change what Recv does (`riflags` in preview 1).
type RecvFlags uint16

// The preview 1 receive flags.
const (
	RecvPeek RecvFlags = 1 << iota
	RecvWaitAll
)

// Recv receives into the buffers (sock_recv); truncated says that a datagram had more.
func (d *Descriptor) Recv(v *Vectors, flags RecvFlags) (n int, truncated bool, errno Errno) {
	return d.recv(v, flags, nil)
}

func (d *Descriptor) recv(v *Vectors, flags RecvFlags, from *unix.RawSockaddrAny) (n int, truncated bool, errno Errno) {
	if errno := d.checkSocket(RightFDRead); errno != ESUCCESS {
		return 0, false, errno
	}
	if flags&^(RecvPeek|RecvWaitAll) != 0 {
		return 0, false, EINVAL
	}
	how := unix.MSG_DONTWAIT | unix.MSG_CMSG_CLOEXEC
	if flags&RecvPeek != 0 {
		how |= unix.MSG_PEEK
	}
	// Waiting for all of it while leaving it there cannot be done piece by piece.
	all := flags == RecvWaitAll && d.kind == FileSocketStream && d.blocking()
	for {
		got, msgFlags, errno := d.message(unix.SYS_RECVMSG, v, how, from)
		n += got
		switch {
		case errno == EAGAIN && d.blocking():
			if errno := d.await(unix.POLLIN); errno != ESUCCESS {
				return n, false, errno
			}
		case errno != ESUCCESS:
			return n, false, firstErrno(n, errno)
		case !all || got == 0:
			return n, msgFlags&unix.MSG_TRUNC != 0, ESUCCESS
		default:
			if v.advance(got); v.empty() {
				return n, false, ESUCCESS
			}
		}
	}
}

// Send sends the buffers (sock_send).
func (d *Descriptor) Send(v *Vectors) (int, Errno) { return d.send(v, nil) }

func (d *Descriptor) send(v *Vectors, to *unix.RawSockaddrAny) (n int, errno Errno) {
	if errno := d.checkSocket(RightFDWrite); errno != ESUCCESS {
		return 0, errno
	}
	for {
		sent, _, errno := d.message(unix.SYS_SENDMSG, v, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, to)
		n += sent
		if errno == EAGAIN && d.blocking() {
			if errno := d.await(unix.POLLOUT); errno != ESUCCESS {
				return n, errno
			}
			continue
		}
		v.advance(sent)
		if errno != ESUCCESS || d.kind == FileSocketDatagram || v.empty() || !d.blocking() {
			return n, firstErrno(n, errno)
		}
	}
}

// message is one recvmsg or sendmsg.
func (d *Descriptor) message(trap uintptr, v *Vectors, how int, addr *unix.RawSockaddrAny) (n, flags int, errno Errno) {
	msg := unix.Msghdr{Name: (*byte)(unsafe.Pointer(addr))}
	if addr != nil {
		msg.Namelen = sockaddrLen(trap, addr)
	}
	if !v.empty() {
		msg.Iov = &v.iov[v.first]
		msg.SetIovlen(v.next - v.first)
	}
	var event int16 = unix.POLLIN
	if trap == unix.SYS_SENDMSG {
		event = unix.POLLOUT
	}
	d.begin(event)
	defer func() { d.moved(event, n) }()
	for {
		r, _, e := unix.Syscall(trap, uintptr(d.fd), uintptr(unsafe.Pointer(&msg)), uintptr(how))
		if e == 0 {
			return int(r), int(msg.Flags), ESUCCESS
		}
		if e != unix.EINTR {
			return 0, 0, fromKernel(e)
		}
	}
}

// ShutdownFlags say which directions to close (`sdflags` in preview 1).
type ShutdownFlags uint8

// The preview 1 shutdown flags.
const (
	ShutdownRead ShutdownFlags = 1 << iota
	ShutdownWrite
)

// Shutdown closes one or both directions of a connection (sock_shutdown).
func (d *Descriptor) Shutdown(flags ShutdownFlags) Errno {
	if errno := d.checkSocket(RightSockShutdown); errno != ESUCCESS {
		return errno
	}
	if flags == 0 || flags&^(ShutdownRead|ShutdownWrite) != 0 {
		return EINVAL
	}
	return ErrnoOf(unix.Shutdown(d.fd, int(flags)-1)) // SHUT_RD, SHUT_WR, SHUT_RDWR
}
