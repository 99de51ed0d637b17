// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"strings"

	"golang.org/x/sys/unix"
)

// CreateDirectory makes a directory (path_create_directory).
func (d *Descriptor) CreateDirectory(path string) Errno {
	return d.onLeaf(path, func(l leaf) error { return unix.Mkdirat(l.parent, l.name, 0o777) })
}

// RemoveDirectory removes an empty directory (path_remove_directory).
func (d *Descriptor) RemoveDirectory(path string) Errno {
	return d.onLeaf(path, func(l leaf) error {
		return unix.Unlinkat(l.parent, l.name, unix.AT_REMOVEDIR)
	})
}

// Unlink removes a file that is no directory: EISDIR there (path_unlink_file).
func (d *Descriptor) Unlink(path string) Errno {
	return d.onLeaf(path, func(l leaf) error { return unix.Unlinkat(l.parent, l.name, 0) })
}

// Symlink makes a symbolic link at path (path_symlink). An absolute target is EPERM, as in every
// other WASI host: it would mean another file to whoever sees this directory elsewhere.
func (d *Descriptor) Symlink(target, path string) Errno {
	switch {
	case len(target) >= MaxPath:
		return ENAMETOOLONG
	case strings.IndexByte(target, 0) >= 0:
		return EINVAL
	case strings.HasPrefix(target, "/"):
		return EPERM
	}
	return d.onLeaf(path, func(l leaf) error { return unix.Symlinkat(target, l.parent, l.name) })
}

// Readlink reads a symbolic link into buf, as much as fits, and returns how much that was
// (path_readlink).
func (d *Descriptor) Readlink(path string, buf []byte) (n int, errno Errno) {
	var none [1]byte // the kernel wants room for something
	into := buf
	if len(buf) == 0 {
		into = none[:]
	}
	errno = d.onLeaf(path, func(l leaf) (err error) {
		n, err = unix.Readlinkat(l.parent, l.name, into)
		return err
	})
	return max(0, min(n, len(buf))), errno
}

// Rename moves a file, replacing what is there (path_rename).
func (d *Descriptor) Rename(from string, dir *Descriptor, to string) Errno {
	return d.onLeaf(from, func(a leaf) error {
		return errnoErr(dir.onLeaf(to, func(b leaf) error {
			return unix.Renameat(a.parent, a.name, b.parent, b.name)
		}))
	})
}

// Link makes a second name for a file (path_link). With follow the file is what a symbolic link at
// from leads to; kernels before 6.10 give that to privileged processes only (ENOTSUP).
func (d *Descriptor) Link(from string, follow bool, dir *Descriptor, to string) Errno {
	if !follow {
		return d.onLeaf(from, func(a leaf) error {
			return errnoErr(dir.onLeaf(to, func(b leaf) error {
				return unix.Linkat(a.parent, a.name, b.parent, b.name, 0)
			}))
		})
	}
	fd, errno := d.lookup(from, true)
	if errno != ESUCCESS {
		return errno
	}
	defer unix.Close(fd)
	return dir.onLeaf(to, func(b leaf) error {
		err := unix.Linkat(fd, "", b.parent, b.name, unix.AT_EMPTY_PATH)
		if ErrnoOf(err) == ENOENT {
			return ENOTSUP
		}
		return err
	})
}

// StatPath is the attributes of the file at path (path_filestat_get).
func (d *Descriptor) StatPath(path string, follow bool) (Filestat, Errno) {
	var st unix.Stat_t
	if !follow && !strings.Contains(path, "/") {
		// One component, not followed: nothing to resolve.
		errno := d.onLeaf(path, func(l leaf) error {
			return unix.Fstatat(l.parent, l.name, &st, unix.AT_SYMLINK_NOFOLLOW)
		})
		return filestatOf(&st), errno
	}
	fd, errno := d.lookup(path, follow)
	if errno != ESUCCESS {
		return Filestat{}, errno
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return Filestat{}, ErrnoOf(err)
	}
	return filestatOf(&st), ESUCCESS
}

// SetTimesPath sets the times of the file at path (path_filestat_set_times).
func (d *Descriptor) SetTimesPath(path string, follow bool, atim, mtim uint64, flags SetTimes) Errno {
	ts, errno := flags.timespecs(atim, mtim)
	if errno != ESUCCESS {
		return errno
	}
	if !follow && !strings.HasSuffix(path, "/") {
		return d.onLeaf(path, func(l leaf) error {
			return unix.UtimesNanoAt(l.parent, l.name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
		})
	}
	fd, errno := d.lookup(path, follow)
	if errno != ESUCCESS {
		return errno
	}
	defer unix.Close(fd)
	return ErrnoOf(unix.UtimesNanoAt(fd, "", ts[:], unix.AT_EMPTY_PATH))
}

// lookup finds a file without opening it.
func (d *Descriptor) lookup(path string, follow bool) (int, Errno) {
	if errno := d.checkDir(path); errno != ESUCCESS {
		return -1, errno
	}
	flags := unix.O_PATH
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	return d.resolve(path, flags, 0)
}

// onLeaf calls do with the path's last component and the directory it is in.
func (d *Descriptor) onLeaf(path string, do func(leaf) error) Errno {
	l, errno := d.split(path)
	if errno != ESUCCESS {
		return errno
	}
	defer l.close()
	return ErrnoOf(do(l))
}

// errnoErr is an Errno as an error: nil for success.
func errnoErr(e Errno) error {
	if e == ESUCCESS {
		return nil
	}
	return e
}
