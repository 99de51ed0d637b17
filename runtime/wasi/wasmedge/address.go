// SPDX-License-Identifier: Apache-2.0

package wasmedge

import (
	"encoding/binary"
	"net/netip"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

var le = binary.LittleEndian

// storage is the length of a buffer that holds an address with its family in front.
const storage = 128

// addressBuffer is the buffer behind a pointer to {pointer, length}.
func addressBuffer(c guest.Call, ptr uint64) ([]byte, wasi.Errno) {
	b, errno := c.Bytes(guest.U32(ptr), 8)
	if errno != wasi.ESUCCESS {
		return nil, errno
	}
	return c.Bytes(le.Uint32(b), le.Uint32(b[4:]))
}

// getAddress reads an address and puts it together with a port.
func getAddress(c guest.Call, ptr, port uint64) (netip.AddrPort, wasi.Errno) {
	b, errno := addressBuffer(c, ptr)
	if errno != wasi.ESUCCESS {
		return netip.AddrPort{}, errno
	}
	if guest.U32(port) > 1<<16-1 {
		return netip.AddrPort{}, wasi.EINVAL
	}
	if len(b) == storage {
		switch wasi.Family(min(le.Uint16(b), 255)) {
		case wasi.FamilyInet4:
			b = b[2:6]
		case wasi.FamilyInet6:
			b = b[2:18]
		default:
			return netip.AddrPort{}, wasi.EAFNOSUPPORT
		}
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, wasi.EINVAL
	}
	return netip.AddrPortFrom(addr, guest.U16(port)), wasi.ESUCCESS
}

// putAddress stores an address into a buffer of any of the three lengths; one that it does not fit
// is EINVAL.
func putAddress(b []byte, addr netip.Addr) wasi.Errno {
	raw := addr.AsSlice()
	switch {
	case len(b) == storage:
		clear(b)
		le.PutUint16(b, uint16(familyOf(addr)))
		b = b[2:]
	case (len(b) != 4 && len(b) != 16) || len(raw) > len(b):
		return wasi.EINVAL
	}
	copy(b, raw)
	return wasi.ESUCCESS
}

func familyOf(addr netip.Addr) wasi.Family {
	if addr.Is4() {
		return wasi.FamilyInet4
	}
	return wasi.FamilyInet6
}
