// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// withPath calls do with a directory that has the rights needed and a path, given as fd, pointer and
// length.
func withPath(c guest.Call, fd, ptr, n uint64, need wasi.Rights, do func(d *wasi.Descriptor, path string) wasi.Errno) wasi.Errno {
	d, errno := c.Sys.Acquire(guest.U32(fd))
	if errno != wasi.ESUCCESS {
		return errno
	}
	defer d.Release()
	if d.Type() != wasi.FileDirectory {
		return wasi.ENOTDIR
	}
	if errno := d.Allow(need); errno != wasi.ESUCCESS {
		return errno
	}
	path, errno := c.String(guest.U32(ptr), guest.U32(n))
	if errno != wasi.ESUCCESS {
		return errno
	}
	return do(d, path)
}

// lookup decodes lookupflags, which has one flag: to follow a symbolic link.
func lookup(flags uint64) (follow bool, errno wasi.Errno) {
	switch guest.U32(flags) {
	case 0:
		return false, wasi.ESUCCESS
	case 1:
		return true, wasi.ESUCCESS
	}
	return false, wasi.EINVAL
}

func pathCreateDirectory(c guest.Call, a []uint64) wasi.Errno {
	return withPath(c, a[0], a[1], a[2], wasi.RightPathCreateDirectory, (*wasi.Descriptor).CreateDirectory)
}

func pathRemoveDirectory(c guest.Call, a []uint64) wasi.Errno {
	return withPath(c, a[0], a[1], a[2], wasi.RightPathRemoveDirectory, (*wasi.Descriptor).RemoveDirectory)
}

func pathUnlinkFile(c guest.Call, a []uint64) wasi.Errno {
	return withPath(c, a[0], a[1], a[2], wasi.RightPathUnlinkFile, (*wasi.Descriptor).Unlink)
}

func (l *layout) pathFilestatGet(c guest.Call, a []uint64) wasi.Errno {
	follow, errno := lookup(a[1])
	if errno != wasi.ESUCCESS {
		return errno
	}
	need := wasi.RightPathFilestatGet
	return withPath(c, a[0], a[2], a[3], need, func(d *wasi.Descriptor, path string) wasi.Errno {
		fs, errno := d.StatPath(path, follow)
		if errno != wasi.ESUCCESS {
			return errno
		}
		return l.storeFilestat(c, guest.U32(a[4]), &fs)
	})
}

func pathFilestatSetTimes(c guest.Call, a []uint64) wasi.Errno {
	follow, errno := lookup(a[1])
	if errno != wasi.ESUCCESS {
		return errno
	}
	need := wasi.RightPathFilestatSetTimes
	return withPath(c, a[0], a[2], a[3], need, func(d *wasi.Descriptor, path string) wasi.Errno {
		return d.SetTimesPath(path, follow, a[4], a[5], wasi.SetTimes(guest.U16(a[6])))
	})
}

func pathLink(c guest.Call, a []uint64) wasi.Errno {
	follow, errno := lookup(a[1])
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withPath(c, a[0], a[2], a[3], wasi.RightPathLinkSource, func(from *wasi.Descriptor, old string) wasi.Errno {
		return withPath(c, a[4], a[5], a[6], wasi.RightPathLinkTarget, func(to *wasi.Descriptor, path string) wasi.Errno {
			return from.Link(old, follow, to, path)
		})
	})
}

func pathRename(c guest.Call, a []uint64) wasi.Errno {
	return withPath(c, a[0], a[1], a[2], wasi.RightPathRenameSource, func(from *wasi.Descriptor, old string) wasi.Errno {
		return withPath(c, a[3], a[4], a[5], wasi.RightPathRenameTarget, func(to *wasi.Descriptor, path string) wasi.Errno {
			return from.Rename(old, to, path)
		})
	})
}

func pathSymlink(c guest.Call, a []uint64) wasi.Errno {
	target, errno := c.String(guest.U32(a[0]), guest.U32(a[1]))
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withPath(c, a[2], a[3], a[4], wasi.RightPathSymlink, func(d *wasi.Descriptor, path string) wasi.Errno {
		return d.Symlink(target, path)
	})
}

func pathReadlink(c guest.Call, a []uint64) wasi.Errno {
	buf, errno := c.Bytes(guest.U32(a[3]), guest.U32(a[4]))
	if errno != wasi.ESUCCESS {
		return errno
	}
	result, errno := c.Bytes(guest.U32(a[5]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withPath(c, a[0], a[1], a[2], wasi.RightPathReadlink, func(d *wasi.Descriptor, path string) wasi.Errno {
		n, errno := d.Readlink(path, buf)
		if errno == wasi.ESUCCESS {
			le.PutUint32(result, uint32(n))
		}
		return errno
	})
}

func pathOpen(c guest.Call, a []uint64) wasi.Errno {
	follow, errno := lookup(a[1])
	if errno != wasi.ESUCCESS {
		return errno
	}
	result, errno := c.Bytes(guest.U32(a[8]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	return withPath(c, a[0], a[2], a[3], 0, func(dir *wasi.Descriptor, path string) wasi.Errno {
		d, errno := dir.Open(path, follow, wasi.OpenFlags(guest.U16(a[4])),
			wasi.Rights(a[5]), wasi.Rights(a[6]), wasi.FDFlags(guest.U16(a[7])))
		if errno != wasi.ESUCCESS {
			return errno
		}
		return insert(c, d, result)
	})
}

// insert numbers a new descriptor and stores the number.
func insert(c guest.Call, d *wasi.Descriptor, result []byte) wasi.Errno {
	fd, errno := c.Sys.Insert(d)
	if errno == wasi.ESUCCESS {
		le.PutUint32(result, fd)
	}
	return errno
}
