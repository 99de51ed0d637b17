// SPDX-License-Identifier: Apache-2.0

package wasmedge

import (
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// options are the extension's socket options, by number, in the kernel's numbering. Its one level, 0,
// is SOL_SOCKET.
var options = [...]int{
	unix.SO_REUSEADDR, unix.SO_TYPE, unix.SO_ERROR, unix.SO_DONTROUTE, unix.SO_BROADCAST,
	unix.SO_SNDBUF, unix.SO_RCVBUF, unix.SO_KEEPALIVE, unix.SO_OOBINLINE, unix.SO_LINGER,
	unix.SO_RCVLOWAT, unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_ACCEPTCONN, unix.SO_BINDTODEVICE,
}

// maxOption bounds an option's value: the longest is an interface's name.
const maxOption = 64

func option(level, name uint64) (int, wasi.Errno) {
	if guest.U32(level) != 0 || guest.U32(name) >= uint32(len(options)) {
		return 0, wasi.ENOPROTOOPT
	}
	return options[guest.U32(name)], wasi.ESUCCESS
}

// sockGetsockopt has the parameters fd, level, name, value and the length of value: some callers pass
// it as it is, others a pointer to it, to be replaced by the length of the answer. No pointer into a
// guest's data is as small as a length.
func sockGetsockopt(c guest.Call, a []uint64) wasi.Errno {
	name, errno := option(a[1], a[2])
	if errno != wasi.ESUCCESS {
		return errno
	}
	size := guest.U32(a[4])
	var sizeAt []byte
	if size > maxOption {
		if sizeAt, errno = c.Bytes(size, 4); errno != wasi.ESUCCESS {
			return errno
		}
		size = le.Uint32(sizeAt)
	}
	value, errno := c.Bytes(guest.U32(a[3]), min(size, maxOption))
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withSocket(c, a[0], func(d *wasi.Descriptor) wasi.Errno {
		n, errno := d.Option(unix.SOL_SOCKET, name, value)
		if errno != wasi.ESUCCESS {
			return errno
		}
		if name == unix.SO_TYPE && n >= 4 {
			le.PutUint32(value, sockTypeOf(d))
		}
		if sizeAt != nil {
			le.PutUint32(sizeAt, uint32(n))
		}
		return wasi.ESUCCESS
	})
}

func sockTypeOf(d *wasi.Descriptor) uint32 {
	if d.Type() == wasi.FileSocketDatagram {
		return sockDatagram
	}
	return sockStream
}

func sockSetsockopt(c guest.Call, a []uint64) wasi.Errno {
	name, errno := option(a[1], a[2])
	if errno != wasi.ESUCCESS {
		return errno
	}
	if guest.U32(a[4]) > maxOption {
		return wasi.EINVAL
	}
	value, errno := c.Bytes(guest.U32(a[3]), guest.U32(a[4]))
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withSocket(c, a[0], func(d *wasi.Descriptor) wasi.Errno {
		return d.SetOption(unix.SOL_SOCKET, name, value)
	})
}
