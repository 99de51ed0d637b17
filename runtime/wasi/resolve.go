// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"strings"

	"golang.org/x/sys/unix"
)

// How a path is kept inside
//
// The worker has pivoted into the container's root before this package runs, so for a directory of
// that root ("jailed") the kernel already confines every path, absolute symlinks and ".." included.
// What it does not confine are the magic links of /proc, which lead to the worker's own descriptors:
// openat2's RESOLVE_NO_MAGICLINKS refuses those. A preopen elsewhere (`wazelet run --dir`, tests) is
// confined by RESOLVE_IN_ROOT, which makes it the root of its symlinks, and the directories opened
// beneath it by RESOLVE_BENEATH.
//
// Calls that take no resolve flags (unlinkat, mkdirat, …) get the parent resolved that way and then
// work on the last component, which they do not follow.

// haveOpenat2 says whether the kernel has openat2 and lets this process use it.
func haveOpenat2() bool {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC}
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &how)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// checkPath holds a path to WASI's rules: relative, no NUL byte, and by its letters not above its
// start. EPERM for what would leave, as wasmtime has it.
func checkPath(path string) Errno {
	switch {
	case len(path) >= MaxPath:
		return ENAMETOOLONG
	case strings.IndexByte(path, 0) >= 0:
		return EINVAL
	case strings.HasPrefix(path, "/"):
		return EPERM
	}
	depth := 0
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		switch name {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return EPERM
			}
		default:
			depth++
		}
	}
	return ESUCCESS
}

// resolve opens a path beneath the directory. flags and mode are open's; O_CLOEXEC is added.
func (d *Descriptor) resolve(path string, flags int, mode uint32) (int, Errno) {
	flags |= unix.O_CLOEXEC
	if !d.sys.openat2 {
		// Only a jailed directory gets here: newPreopen saw to that.
		return retryInterrupted(func() (int, error) { return unix.Openat(d.fd, path, flags, mode) })
	}
	how := unix.OpenHow{Flags: uint64(flags), Mode: uint64(mode), Resolve: unix.RESOLVE_NO_MAGICLINKS}
	switch {
	case d.jailed:
	case d.root:
		how.Resolve |= unix.RESOLVE_IN_ROOT
	default:
		how.Resolve |= unix.RESOLVE_BENEATH
	}
	fd, errno := retryInterrupted(func() (int, error) { return unix.Openat2(d.fd, path, &how) })
	if errno == EXDEV {
		return -1, EPERM // it led out
	}
	return fd, errno
}

// retryInterrupted repeats a call a signal interrupted, and one that openat2 gave up because a rename
// or mount ran beside it (EAGAIN); that one not for ever.
func retryInterrupted(open func() (int, error)) (int, Errno) {
	for raced := 0; raced < 64; {
		fd, err := open()
		switch errno := ErrnoOf(err); errno {
		case EINTR:
		case EAGAIN:
			raced++
		default:
			return fd, errno
		}
	}
	return -1, EAGAIN
}

// leaf is the last component of a path and the directory it is in.
type leaf struct {
	parent int
	name   string
	opened bool // parent is to be closed
}

// split resolves everything but the last component. Trailing slashes stay with it: they mean
// something to the kernel.
func (d *Descriptor) split(path string) (leaf, Errno) {
	if errno := d.checkDir(path); errno != ESUCCESS {
		return leaf{}, errno
	}
	cut := strings.LastIndexByte(strings.TrimRight(path, "/"), '/')
	if cut < 0 {
		return leaf{parent: d.fd, name: path}, ESUCCESS
	}
	fd, errno := d.resolve(path[:cut+1], unix.O_PATH|unix.O_DIRECTORY, 0)
	return leaf{parent: fd, name: path[cut+1:], opened: errno == ESUCCESS}, errno
}

func (l leaf) close() {
	if l.opened {
		_ = unix.Close(l.parent)
	}
}

// checkDir says whether the descriptor can be the start of this path.
func (d *Descriptor) checkDir(path string) Errno {
	if d.kind != FileDirectory {
		return ENOTDIR
	}
	d.sys.Collect()
	return checkPath(path)
}
