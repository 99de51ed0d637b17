// SPDX-License-Identifier: Apache-2.0

package wasmedge

import (
	"net/netip"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// received is where a receive stores its results; places the function has not are nil.
type received struct {
	n, flags, addr, port []byte
}

// place looks up a place in memory; 0 means that the function has none.
func place(c guest.Call, ptr uint64, size uint32, into *[]byte, errno *wasi.Errno) {
	if ptr != 0 && *errno == wasi.ESUCCESS {
		*into, *errno = c.Bytes(guest.U32(ptr), size)
	}
}

func sockRecv(c guest.Call, a []uint64) wasi.Errno {
	var r received
	errno := wasi.ESUCCESS
	place(c, a[4], 4, &r.n, &errno)
	place(c, a[5], 2, &r.flags, &errno)
	return receive(c, a[0], a[1], a[2], a[3], r, errno)
}

// sockRecvFromV1 has the parameters fd, iovs, count, address, flags, out n, out flags.
func sockRecvFromV1(c guest.Call, a []uint64) wasi.Errno {
	return receiveFrom(c, a[0], a[1], a[2], a[3], a[4], 0, a[5], a[6])
}

// sockRecvFromV2 has, before the last two, the port.
func sockRecvFromV2(c guest.Call, a []uint64) wasi.Errno {
	return receiveFrom(c, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7])
}

func receiveFrom(c guest.Call, fd, iovs, count, addr, flags, port, n, roflags uint64) wasi.Errno {
	var r received
	buf, errno := addressBuffer(c, addr)
	r.addr = buf
	place(c, n, 4, &r.n, &errno)
	place(c, roflags, 2, &r.flags, &errno)
	// Some callers have room for 16 bits of port, others read 32 that they cleared.
	place(c, port, 2, &r.port, &errno)
	return receive(c, fd, iovs, count, flags, r, errno)
}

func receive(c guest.Call, fd, iovs, count, flags uint64, r received, errno wasi.Errno) wasi.Errno {
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withSocket(c, fd, func(d *wasi.Descriptor) wasi.Errno {
		v, errno := c.Vectors(guest.U32(iovs), guest.U32(count))
		if errno != wasi.ESUCCESS {
			return errno
		}
		defer v.Release()
		var n int
		var truncated bool
		var from netip.AddrPort
		if r.addr == nil {
			n, truncated, errno = d.Recv(v, wasi.RecvFlags(guest.U16(flags)))
		} else {
			n, from, truncated, errno = d.RecvFrom(v, wasi.RecvFlags(guest.U16(flags)))
		}
		if errno != wasi.ESUCCESS {
			return errno
		}
		return r.put(n, truncated, from)
	})
}

func (r *received) put(n int, truncated bool, from netip.AddrPort) wasi.Errno {
	if r.addr != nil {
		if errno := putAddress(r.addr, from.Addr()); errno != wasi.ESUCCESS {
			return errno
		}
	}
	if r.port != nil {
		le.PutUint16(r.port, from.Port())
	}
	if r.flags != nil {
		le.PutUint16(r.flags, 0)
		if truncated {
			le.PutUint16(r.flags, 1)
		}
	}
	if r.n != nil {
		le.PutUint32(r.n, uint32(n))
	}
	return wasi.ESUCCESS
}

func sockSend(c guest.Call, a []uint64) wasi.Errno {
	return send(c, a[0], a[1], a[2], a[4], func(d *wasi.Descriptor, v *wasi.Vectors) (int, wasi.Errno) {
		return d.Send(v)
	})
}

// sockSendTo has the parameters fd, iovs, count, address, port, flags, out n.
func sockSendTo(c guest.Call, a []uint64) wasi.Errno {
	addr, errno := getAddress(c, a[3], a[4])
	if errno != wasi.ESUCCESS {
		return errno
	}
	return send(c, a[0], a[1], a[2], a[6], func(d *wasi.Descriptor, v *wasi.Vectors) (int, wasi.Errno) {
		return d.SendTo(v, addr)
	})
}

// send ignores the flags: the extension defines none, and callers pass what they like.
func send(c guest.Call, fd, iovs, count, out uint64, do func(*wasi.Descriptor, *wasi.Vectors) (int, wasi.Errno)) wasi.Errno {
	result, errno := c.Bytes(guest.U32(out), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withSocket(c, fd, func(d *wasi.Descriptor) wasi.Errno {
		v, errno := c.Vectors(guest.U32(iovs), guest.U32(count))
		if errno != wasi.ESUCCESS {
			return errno
		}
		defer v.Release()
		n, errno := do(d, v)
		if errno == wasi.ESUCCESS {
			le.PutUint32(result, uint32(n))
		}
		return errno
	})
}
