// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddrLen is the length to pass with an address: the whole room for receiving, its own for
// sending.
func sockaddrLen(trap uintptr, addr *unix.RawSockaddrAny) uint32 {
	if trap == unix.SYS_SENDMSG {
		switch addr.Addr.Family {
		case unix.AF_INET:
			return unix.SizeofSockaddrInet4
		case unix.AF_INET6:
			return unix.SizeofSockaddrInet6
		}
	}
	return unix.SizeofSockaddrAny
}

// rawSockaddr puts an address into the kernel's form and returns its length.
func rawSockaddr(addr netip.AddrPort, into *unix.RawSockaddrAny) int {
	if addr.Addr().Is4() {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(into))
		sa.Family, sa.Addr = unix.AF_INET, addr.Addr().As4()
		sa.Port = networkOrder(addr.Port())
		return unix.SizeofSockaddrInet4
	}
	sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(into))
	sa.Family, sa.Addr = unix.AF_INET6, addr.Addr().As16()
	sa.Port = networkOrder(addr.Port())
	return unix.SizeofSockaddrInet6
}

// addrPort reads an address in the kernel's form; invalid for other families than IP.
func addrPort(from *unix.RawSockaddrAny) netip.AddrPort {
	switch from.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), networkOrder(sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), networkOrder(sa.Port))
	}
	return netip.AddrPort{}
}

// networkOrder converts a port from or to network byte order.
func networkOrder(port uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return binary.NativeEndian.Uint16(b[:])
}
