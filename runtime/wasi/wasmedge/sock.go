// SPDX-License-Identifier: Apache-2.0

package wasmedge

import (
	"net/netip"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// Socket types of the extension.
const (
	sockAny = iota
	sockDatagram
	sockStream
)

func sockOpen(c guest.Call, a []uint64) wasi.Errno {
	result, errno := c.Bytes(guest.U32(a[2]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	kind := wasi.FileUnknown
	switch guest.U32(a[1]) {
	case sockAny, sockStream:
		kind = wasi.FileSocketStream
	case sockDatagram:
		kind = wasi.FileSocketDatagram
	}
	family := wasi.Family(guest.U8(a[0]))
	if family == 0 {
		family = wasi.FamilyInet4 // unspecified
	}
	d, errno := c.Sys.Socket(family, kind)
	if errno != wasi.ESUCCESS {
		return errno
	}
	return insert(c, d, result)
}

func insert(c guest.Call, d *wasi.Descriptor, result []byte) wasi.Errno {
	fd, errno := c.Sys.Insert(d)
	if errno == wasi.ESUCCESS {
		le.PutUint32(result, fd)
	}
	return errno
}

func sockBind(c guest.Call, a []uint64) wasi.Errno {
	return withAddress(c, a, (*wasi.Descriptor).Bind)
}

func sockConnect(c guest.Call, a []uint64) wasi.Errno {
	return withAddress(c, a, (*wasi.Descriptor).Connect)
}

// withAddress serves the functions of a socket, an address and a port.
func withAddress(c guest.Call, a []uint64, do func(*wasi.Descriptor, netip.AddrPort) wasi.Errno) wasi.Errno {
	return withSocket(c, a[0], func(d *wasi.Descriptor) wasi.Errno {
		addr, errno := getAddress(c, a[1], a[2])
		if errno != wasi.ESUCCESS {
			return errno
		}
		return do(d, addr)
	})
}

func sockListen(c guest.Call, a []uint64) wasi.Errno {
	return withSocket(c, a[0], func(d *wasi.Descriptor) wasi.Errno {
		return d.Listen(int(int32(guest.U32(a[1]))))
	})
}

func sockAcceptV1(c guest.Call, a []uint64) wasi.Errno { return accept(c, a[0], 0, a[1]) }
func sockAcceptV2(c guest.Call, a []uint64) wasi.Errno { return accept(c, a[0], a[1], a[2]) }

func accept(c guest.Call, fd, flags, out uint64) wasi.Errno {
	result, errno := c.Bytes(guest.U32(out), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withSocket(c, fd, func(d *wasi.Descriptor) wasi.Errno {
		conn, errno := d.Accept(wasi.FDFlags(guest.U16(flags)))
		if errno != wasi.ESUCCESS {
			return errno
		}
		return insert(c, conn, result)
	})
}

func sockGetlocaladdrV1(c guest.Call, a []uint64) wasi.Errno {
	return putName(c, a[0], a[1], a[3], a[2], (*wasi.Descriptor).LocalAddr)
}

func sockGetlocaladdrV2(c guest.Call, a []uint64) wasi.Errno {
	return putName(c, a[0], a[1], a[2], 0, (*wasi.Descriptor).LocalAddr)
}

func sockGetpeeraddrV1(c guest.Call, a []uint64) wasi.Errno {
	return putName(c, a[0], a[1], a[3], a[2], (*wasi.Descriptor).PeerAddr)
}

func sockGetpeeraddrV2(c guest.Call, a []uint64) wasi.Errno {
	return putName(c, a[0], a[1], a[2], 0, (*wasi.Descriptor).PeerAddr)
}

// putName stores one of a socket's addresses, its port and, in version 1, its type: 4 or 6.
func putName(c guest.Call, fd, addrPtr, portPtr, typePtr uint64, name func(*wasi.Descriptor) (netip.AddrPort, wasi.Errno)) wasi.Errno {
	return withSocket(c, fd, func(d *wasi.Descriptor) wasi.Errno {
		b, errno := addressBuffer(c, addrPtr)
		if errno != wasi.ESUCCESS {
			return errno
		}
		addr, errno := name(d)
		if errno == wasi.ESUCCESS {
			errno = putAddress(b, addr.Addr())
		}
		if errno == wasi.ESUCCESS && typePtr != 0 {
			kind := uint32(4)
			if familyOf(addr.Addr()) == wasi.FamilyInet6 {
				kind = 6
			}
			errno = c.PutU32(guest.U32(typePtr), kind)
		}
		if errno != wasi.ESUCCESS {
			return errno
		}
		return c.PutU32(guest.U32(portPtr), uint32(addr.Port()))
	})
}
