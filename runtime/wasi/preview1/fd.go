// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// withFD calls do with a descriptor that has the rights needed.
func withFD(c guest.Call, fd uint64, need wasi.Rights, do func(*wasi.Descriptor) wasi.Errno) wasi.Errno {
	d, errno := c.Sys.Acquire(guest.U32(fd))
	if errno != wasi.ESUCCESS {
		return errno
	}
	defer d.Release()
	if errno := d.Allow(need); errno != wasi.ESUCCESS {
		if need&(wasi.RightFDRead|wasi.RightFDWrite) != 0 && d.Type() == wasi.FileDirectory {
			return wasi.EISDIR
		}
		return errno
	}
	return do(d)
}

func fdAdvise(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDAdvise, func(d *wasi.Descriptor) wasi.Errno {
		return d.Advise(a[1], a[2], wasi.Advice(guest.U8(a[3])))
	})
}

func fdAllocate(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDAllocate, func(d *wasi.Descriptor) wasi.Errno {
		return d.Allocate(a[1], a[2])
	})
}

func fdClose(c guest.Call, a []uint64) wasi.Errno { return c.Sys.CloseFD(guest.U32(a[0])) }

func fdDatasync(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDDatasync, (*wasi.Descriptor).Datasync)
}

func fdSync(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDSync, (*wasi.Descriptor).Sync)
}

func fdFdstatGet(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], 0, func(d *wasi.Descriptor) wasi.Errno {
		b, errno := c.Bytes(guest.U32(a[1]), fdstatSize)
		if errno == wasi.ESUCCESS {
			putFdstat(b, d)
		}
		return errno
	})
}

func fdFdstatSetFlags(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDFdstatSetFlags, func(d *wasi.Descriptor) wasi.Errno {
		return d.SetFlags(wasi.FDFlags(guest.U16(a[1])))
	})
}

func fdFdstatSetRights(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], 0, func(d *wasi.Descriptor) wasi.Errno {
		return d.SetRights(wasi.Rights(a[1]), wasi.Rights(a[2]))
	})
}

func (l *layout) fdFilestatGet(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDFilestatGet, func(d *wasi.Descriptor) wasi.Errno {
		fs, errno := d.Filestat()
		if errno != wasi.ESUCCESS {
			return errno
		}
		return l.storeFilestat(c, guest.U32(a[1]), &fs)
	})
}

func (l *layout) storeFilestat(c guest.Call, ptr uint32, fs *wasi.Filestat) wasi.Errno {
	b, errno := c.Bytes(ptr, l.filestat)
	if errno == wasi.ESUCCESS {
		l.putFilestat(b, fs)
	}
	return errno
}

func fdFilestatSetSize(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDFilestatSetSize, func(d *wasi.Descriptor) wasi.Errno {
		return d.SetSize(a[1])
	})
}

func fdFilestatSetTimes(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], wasi.RightFDFilestatSetTimes, func(d *wasi.Descriptor) wasi.Errno {
		return d.SetTimes(a[1], a[2], wasi.SetTimes(guest.U16(a[3])))
	})
}

func fdRenumber(c guest.Call, a []uint64) wasi.Errno {
	return c.Sys.Renumber(guest.U32(a[0]), guest.U32(a[1]))
}

func (l *layout) fdSeek(c guest.Call, a []uint64) wasi.Errno {
	whence := guest.U32(a[2])
	if whence >= uint32(len(l.whence)) {
		return wasi.EINVAL
	}
	return withFD(c, a[0], wasi.RightFDSeek, func(d *wasi.Descriptor) wasi.Errno {
		return seek(c, d, int64(a[1]), l.whence[whence], guest.U32(a[3]))
	})
}

// fdTell needs the right to tell; the right to seek implies it.
func fdTell(c guest.Call, a []uint64) wasi.Errno {
	return withFD(c, a[0], 0, func(d *wasi.Descriptor) wasi.Errno {
		if d.Allow(wasi.RightFDSeek) != wasi.ESUCCESS && d.Allow(wasi.RightFDTell) != wasi.ESUCCESS {
			return wasi.ENOTCAPABLE
		}
		return seek(c, d, 0, wasi.SeekCurrent, guest.U32(a[1]))
	})
}

func seek(c guest.Call, d *wasi.Descriptor, offset int64, whence wasi.Whence, out uint32) wasi.Errno {
	result, errno := c.Bytes(out, 8)
	if errno != wasi.ESUCCESS {
		return errno
	}
	pos, errno := d.SeekTo(offset, whence)
	if errno == wasi.ESUCCESS {
		le.PutUint64(result, pos)
	}
	return errno
}

// prestatSize is the size of prestat: its tag, 0 for a directory, and the length of the name.
const prestatSize = 8

func fdPrestatGet(c guest.Call, a []uint64) wasi.Errno {
	return withPreopen(c, a[0], func(name string) wasi.Errno {
		b, errno := c.Bytes(guest.U32(a[1]), prestatSize)
		if errno == wasi.ESUCCESS {
			le.PutUint32(b[0:], 0)
			le.PutUint32(b[4:], uint32(len(name)))
		}
		return errno
	})
}

func fdPrestatDirName(c guest.Call, a []uint64) wasi.Errno {
	return withPreopen(c, a[0], func(name string) wasi.Errno {
		if int64(guest.U32(a[2])) < int64(len(name)) {
			return wasi.ENAMETOOLONG
		}
		b, errno := c.Bytes(guest.U32(a[1]), uint32(len(name)))
		copy(b, name)
		return errno
	})
}

func withPreopen(c guest.Call, fd uint64, do func(name string) wasi.Errno) wasi.Errno {
	return withFD(c, fd, 0, func(d *wasi.Descriptor) wasi.Errno {
		name, ok := d.Preopen()
		if !ok {
			return wasi.EBADF
		}
		return do(name)
	})
}
