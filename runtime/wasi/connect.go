// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Family is the kind of address a socket has.
type Family uint8

// The families there are: those of the Internet.
const (
	FamilyInet4 Family = 1 + iota
	FamilyInet6
)

// Socket opens a socket of type FileSocketStream (TCP) or FileSocketDatagram (UDP), as any process
// in the pod's network may.
func (s *System) Socket(family Family, kind FileType) (*Descriptor, Errno) {
	s.Collect()
	domain, how := unix.AF_INET, unix.SOCK_STREAM
	switch family {
	case FamilyInet4:
	case FamilyInet6:
		domain = unix.AF_INET6
	default:
		return nil, EAFNOSUPPORT
	}
	switch kind {
	case FileSocketStream:
	case FileSocketDatagram:
		how = unix.SOCK_DGRAM
	default:
		return nil, EPROTONOSUPPORT
	}
	fd, err := unix.Socket(domain, how|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, ErrnoOf(err)
	}
	d := s.newDescriptor(fd, kind)
	d.waits, d.nonblock = true, true
	d.grant(d.applicable())
	return d, ESUCCESS
}

// Bind gives the socket its own address.
func (d *Descriptor) Bind(addr netip.AddrPort) Errno { return d.address(unix.SYS_BIND, addr) }

// Listen makes the socket accept connections.
func (d *Descriptor) Listen(backlog int) Errno {
	if errno := d.checkSocket(0); errno != ESUCCESS {
		return errno
	}
	return d.sys.connections.listen(d, backlog)
}

// Connect connects the socket, waiting until it is done unless the guest made it non-blocking: then
// EINPROGRESS, and it is done when the socket is writable.
func (d *Descriptor) Connect(addr netip.AddrPort) Errno {
	errno := d.address(unix.SYS_CONNECT, addr)
	if errno != EINPROGRESS || !d.blocking() {
		return errno
	}
	switch errno := d.await(unix.POLLOUT); errno {
	case ESUCCESS:
	case EAGAIN:
		return EINPROGRESS // as on Linux when SO_SNDTIMEO is over
	default:
		return errno
	}
	result, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return ErrnoOf(err)
	}
	return fromKernel(unix.Errno(result))
}

// address makes a call that takes a socket and an address.
func (d *Descriptor) address(trap uintptr, addr netip.AddrPort) Errno {
	if errno := d.checkSocket(0); errno != ESUCCESS {
		return errno
	}
	if !addr.IsValid() {
		return EINVAL
	}
	var sa unix.RawSockaddrAny
	n := rawSockaddr(addr, &sa)
	_, _, e := unix.Syscall(trap, uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), uintptr(n))
	return fromKernel(e)
}

// LocalAddr is the socket's own address.
func (d *Descriptor) LocalAddr() (netip.AddrPort, Errno) { return d.name(unix.SYS_GETSOCKNAME) }

// PeerAddr is the address the socket is connected to.
func (d *Descriptor) PeerAddr() (netip.AddrPort, Errno) { return d.name(unix.SYS_GETPEERNAME) }

func (d *Descriptor) name(trap uintptr) (netip.AddrPort, Errno) {
	if errno := d.checkSocket(0); errno != ESUCCESS {
		return netip.AddrPort{}, errno
	}
	var sa unix.RawSockaddrAny
	n := uint32(unix.SizeofSockaddrAny)
	_, _, e := unix.Syscall(trap, uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n)))
	if e != 0 {
		return netip.AddrPort{}, fromKernel(e)
	}
	addr := addrPort(&sa)
	if !addr.IsValid() {
		return addr, EAFNOSUPPORT
	}
	return addr, ESUCCESS
}

// SendTo sends a datagram to an address. EACCES where the socket may only answer and nothing was
// received from that address lately.
func (d *Descriptor) SendTo(v *Vectors, addr netip.AddrPort) (int, Errno) {
	if !addr.IsValid() {
		return 0, EINVAL
	}
	if d.peers != nil && !d.peers.has(addr) {
		return 0, EACCES
	}
	var sa unix.RawSockaddrAny
	rawSockaddr(addr, &sa)
	return d.send(v, &sa)
}

// RecvFrom receives a datagram and tells who sent it; from a stream, the peer.
func (d *Descriptor) RecvFrom(v *Vectors, flags RecvFlags) (n int, from netip.AddrPort, truncated bool, errno Errno) {
	var sa unix.RawSockaddrAny
	n, truncated, errno = d.recv(v, flags, &sa)
	if errno != ESUCCESS {
		return n, from, truncated, errno
	}
	if from = addrPort(&sa); !from.IsValid() {
		from, errno = d.PeerAddr() // the kernel does not say it for streams
	} else if d.peers != nil {
		d.peers.add(from)
	}
	return n, from, truncated, errno
}
