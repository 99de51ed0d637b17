// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// The socket functions check for a socket before they check rights: ENOTSOCK is what a program that
// mixes its descriptors up needs to hear.

func sockAccept(c guest.Call, a []uint64) wasi.Errno {
	result, errno := c.Bytes(guest.U32(a[2]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withFD(c, a[0], 0, func(d *wasi.Descriptor) wasi.Errno {
		conn, errno := d.Accept(wasi.FDFlags(guest.U16(a[1])))
		if errno != wasi.ESUCCESS {
			return errno
		}
		return insert(c, conn, result)
	})
}

func sockRecv(c guest.Call, a []uint64) wasi.Errno {
	flags, errno := c.Bytes(guest.U32(a[5]), 2)
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withFD(c, a[0], 0, func(d *wasi.Descriptor) wasi.Errno {
		return transfer(c, a[1], a[2], a[4], func(v *wasi.Vectors) (int, wasi.Errno) {
			n, truncated, errno := d.Recv(v, wasi.RecvFlags(guest.U16(a[3])))
			if errno == wasi.ESUCCESS {
				le.PutUint16(flags, 0)
				if truncated {
					le.PutUint16(flags, 1) // recv_data_truncated
				}
			}
			return n, errno
		})
	})
}

// sockSend knows no flags: siflags has none.
func sockSend(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], 0, func(d *wasi.Descriptor) wasi.Errno {
		if guest.U32(a[3]) != 0 {
			return wasi.EINVAL
		}
		return transfer(c, a[1], a[2], a[4], d.Send)
	})
}

func sockShutdown(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], 0, func(d *wasi.Descriptor) wasi.Errno {
		return d.Shutdown(wasi.ShutdownFlags(guest.U8(a[1])))
	})
}
