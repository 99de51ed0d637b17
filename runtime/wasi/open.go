// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"golang.org/x/sys/unix"
)

// Open opens a path beneath the directory (path_open). Rights asked for beyond the directory's
// inheriting ones are ENOTCAPABLE; those that mean nothing for the kind of file are left out.
// RightFDRead and RightFDWrite decide how the kernel opens it.
func (d *Descriptor) Open(path string, follow bool, oflags OpenFlags, base, inheriting Rights, flags FDFlags) (*Descriptor, Errno) {
	if errno := d.checkOpen(path, oflags, base, inheriting, flags); errno != ESUCCESS {
		return nil, errno
	}
	how := openFlags(follow, oflags, base, flags)
	fd, errno := d.open(path, how, flags)
	if errno != ESUCCESS {
		return nil, errno
	}
	n := d.sys.newDescriptor(fd, FileUnknown)
	if errno := n.opened(d, flags); errno != ESUCCESS {
		n.Release()
		return nil, errno
	}
	maxBase, maxInheriting := n.applicable()
	_, ours := d.Rights()
	n.grant(base&maxBase, inheriting&ours&maxInheriting)
	return n, ESUCCESS
}

// checkOpen is what can be said before asking the kernel.
func (d *Descriptor) checkOpen(path string, oflags OpenFlags, base, inheriting Rights, flags FDFlags) Errno {
	if errno := d.checkDir(path); errno != ESUCCESS {
		return errno
	}
	if oflags&^openAll != 0 || flags&^flagsAll != 0 {
		return EINVAL
	}
	if oflags&OpenDirectory != 0 && oflags&(OpenCreate|OpenTruncate) != 0 {
		return EINVAL
	}
	need := RightPathOpen
	if oflags&OpenCreate != 0 {
		need |= RightPathCreateFile
	}
	if oflags&OpenTruncate != 0 {
		need |= RightPathFilestatSetSize
	}
	_, ours := d.Rights()
	if (base|inheriting)&RightsAll&^ours != 0 {
		return ENOTCAPABLE
	}
	return d.Allow(need)
}

// openFlags are the kernel's flags. O_NONBLOCK keeps the open of a FIFO or device from waiting, and
// lets their reads and writes be waited for in the poller; plain files do not know it.
func openFlags(follow bool, oflags OpenFlags, base Rights, flags FDFlags) int {
	how := unix.O_NONBLOCK | unix.O_NOCTTY
	switch read, write := base&(RightFDRead|RightFDReaddir) != 0, base&RightFDWrite != 0; {
	case read && write:
		how |= unix.O_RDWR
	case write:
		how |= unix.O_WRONLY
	}
	if !follow {
		how |= unix.O_NOFOLLOW
	}
	for _, m := range [...]struct {
		set  bool
		flag int
	}{
		{oflags&OpenCreate != 0, unix.O_CREAT},
		{oflags&OpenDirectory != 0, unix.O_DIRECTORY},
		{oflags&(OpenCreate|OpenExclusive) == OpenCreate|OpenExclusive, unix.O_EXCL},
		{oflags&OpenTruncate != 0, unix.O_TRUNC},
		{flags&FlagAppend != 0, unix.O_APPEND},
		{flags&FlagDSync != 0, unix.O_DSYNC},
		{flags&(FlagSync|FlagRSync) != 0, unix.O_SYNC}, // Linux's O_RSYNC is O_SYNC
	} {
		if m.set {
			how |= m.flag
		}
	}
	return how
}

// opened finishes a descriptor the kernel opened beneath dir.
func (d *Descriptor) opened(dir *Descriptor, flags FDFlags) Errno {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return ErrnoOf(err)
	}
	d.nonblock, d.jailed = true, dir.jailed
	d.flags.Store(uint32(flags))
	if err := d.classify(st.Mode); err != nil {
		return ErrnoOf(err)
	}
	d.fifo = st.Mode&unix.S_IFMT == unix.S_IFIFO
	return d.guardProc(&st)
}

// guardProc refuses the files of a procfs through which a guest could reach the worker's own memory
// (/proc/self/mem, environ, auxv, …): all that are written, and those not readable by everyone.
func (d *Descriptor) guardProc(st *unix.Stat_t) Errno {
	if d.kind == FileDirectory || unix.Major(st.Dev) != 0 {
		return ESUCCESS // procfs has no device behind it
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(d.fd, &fs); err != nil {
		return ErrnoOf(err)
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return ESUCCESS
	}
	how, err := unix.FcntlInt(uintptr(d.fd), unix.F_GETFL, 0)
	if err != nil {
		return ErrnoOf(err)
	}
	if how&unix.O_ACCMODE != unix.O_RDONLY || st.Mode&unix.S_IROTH == 0 {
		return EACCES
	}
	return ESUCCESS
}

// createMode is the mode of a created file; openat2 wants none where nothing is created.
func createMode(how int) uint32 {
	if how&unix.O_CREAT == 0 {
		return 0
	}
	return 0o666
}
