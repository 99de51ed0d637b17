// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

func fdRead(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDRead, func(d *wasi.Descriptor) wasi.Errno {
		return transfer(c, a[1], a[2], a[3], d.Read)
	})
}

func fdWrite(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDWrite, func(d *wasi.Descriptor) wasi.Errno {
		return transfer(c, a[1], a[2], a[3], d.Write)
	})
}

// The rights to read or write at an offset are those to read or write and to seek, says the witx.

func fdPread(c guest.Call, a []uint64) wasi.Errno {
	need := wasi.RightFDRead | wasi.RightFDSeek
	return withFD(c, a[0], need, func(d *wasi.Descriptor) wasi.Errno {
		return transfer(c, a[1], a[2], a[4], func(v *wasi.Vectors) (int, wasi.Errno) {
			return d.ReadAt(v, a[3])
		})
	})
}

func fdPwrite(c guest.Call, a []uint64) wasi.Errno {
	need := wasi.RightFDWrite | wasi.RightFDSeek
	return withFD(c, a[0], need, func(d *wasi.Descriptor) wasi.Errno {
		return transfer(c, a[1], a[2], a[4], func(v *wasi.Vectors) (int, wasi.Errno) {
			return d.WriteAt(v, a[3])
		})
	})
}

// transfer does one read or write with the guest's buffers and stores how many bytes it moved.
func transfer(c guest.Call, iovs, count, out uint64, do func(*wasi.Vectors) (int, wasi.Errno)) wasi.Errno {
	result, errno := c.Bytes(guest.U32(out), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	v, errno := c.Vectors(guest.U32(iovs), guest.U32(count))
	if errno != wasi.ESUCCESS {
		return errno
	}
	defer v.Release()
	n, errno := do(v)
	if errno == wasi.ESUCCESS {
		le.PutUint32(result, uint32(n))
	}
	return errno
}

// fdReaddir fills the buffer with entries. The last one may be cut off: a full buffer tells the guest
// that there is more, and it asks again from the cookie of the last whole one.
func fdReaddir(c guest.Call, a []uint64) wasi.Errno {
	buf, errno := c.Bytes(guest.U32(a[1]), guest.U32(a[2]))
	if errno != wasi.ESUCCESS {
		return errno
	}
	result, errno := c.Bytes(guest.U32(a[4]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	d, errno := c.Sys.Acquire(guest.U32(a[0]))
	if errno != wasi.ESUCCESS {
		return errno
	}
	defer d.Release()
	if d.Type() != wasi.FileDirectory {
		return wasi.ENOTDIR
	}
	if errno := d.Allow(wasi.RightFDReaddir); errno != wasi.ESUCCESS {
		return errno
	}
	used := 0
	errno = d.ReadDir(a[3], func(e wasi.Dirent) bool {
		var header [direntSize]byte
		putDirent(header[:], &e)
		used += copy(buf[used:], header[:])
		used += copy(buf[used:], e.Name)
		return used < len(buf)
	})
	if errno == wasi.ESUCCESS {
		le.PutUint32(result, uint32(used))
	}
	return errno
}
