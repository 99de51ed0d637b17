// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Descriptor is one open thing: a file, a directory, a pipe, a terminal, a socket, a Sink. Several
// holders may share it (a number in the table, a running call, a stream of the 0.2 face); the last
// Release closes it.
type Descriptor struct {
	sys  *System
	fd   int // the kernel's descriptor; -1 where there is none
	kind FileType
	sink Sink

	refs             atomic.Int32
	flags            atomic.Uint32 // FDFlags, as the guest sees them
	base, inheriting atomic.Uint64 // Rights

	// preopen is the name of a directory the guest was given; root is set for those alone.
	preopen string
	root    bool
	// jailed directories lie in the process's own root: the kernel confines every path, so
	// absolute symlinks may be followed.
	jailed bool
	dir    atomic.Pointer[dirStream]

	tty  bool
	fifo bool // opened by path: it may not have had a writer yet
	// waits says that reads and writes can block; they go through the poller then.
	waits bool
	// nonblock says that the kernel's description is O_NONBLOCK; noNowait that asking for
	// RWF_NOWAIT instead is not supported either.
	nonblock bool
	noNowait atomic.Bool

	// recvTimeout and sendTimeout bound waits of a blocking guest, in nanoseconds; 0: they do not.
	recvTimeout, sendTimeout atomic.Int64

	listening atomic.Bool
	// undeclared listeners behave as what the guest turns out to expect: see Accept.
	undeclared atomic.Bool
	// peers are set for a datagram socket that may only answer: see Options.AnswersOnly.
	peers *peers
	// accepted is set for a connection taken from a listener.
	accepted *connection
}

func (s *System) newDescriptor(fd int, kind FileType) *Descriptor {
	d := &Descriptor{sys: s, fd: fd, kind: kind}
	d.refs.Store(1)
	return d
}

// Release gives up one hold. What the kernel says to closing is nobody's to hear; CloseFD tells it.
func (d *Descriptor) Release() { _ = d.close() }

// close gives up one hold. The errno is that of closing, for the last one.
func (d *Descriptor) close() Errno {
	if d.refs.Add(-1) > 0 || d.fd < 0 {
		return ESUCCESS
	}
	if (d.accepted != nil || d.listening.Load()) && d.sys.connections.forget(d) {
		return ESUCCESS
	}
	// Linux has closed the descriptor even when close answers EINTR.
	if errno := ErrnoOf(unix.Close(d.fd)); errno != EINTR {
		return errno
	}
	return ESUCCESS
}

// Type is what the descriptor refers to.
func (d *Descriptor) Type() FileType { return d.kind }

// Flags are the descriptor's flags as the guest is to see them.
func (d *Descriptor) Flags() FDFlags {
	d.undeclared.Store(false)
	return FDFlags(d.flags.Load())
}

// SetFlags replaces the flags. The kernel cannot change the sync flags of an open file: ENOTSUP.
func (d *Descriptor) SetFlags(flags FDFlags) Errno {
	if flags&^flagsAll != 0 {
		return EINVAL
	}
	const fixed = FlagDSync | FlagRSync | FlagSync
	if (flags^d.Flags())&fixed != 0 {
		return ENOTSUP
	}
	if (flags^d.Flags())&FlagAppend != 0 && d.fd >= 0 {
		if errno := d.setAppend(flags&FlagAppend != 0); errno != ESUCCESS {
			return errno
		}
	}
	d.flags.Store(uint32(flags))
	return ESUCCESS
}

func (d *Descriptor) setAppend(on bool) Errno {
	have, err := unix.FcntlInt(uintptr(d.fd), unix.F_GETFL, 0)
	if err != nil {
		return ErrnoOf(err)
	}
	want := have &^ unix.O_APPEND
	if on {
		want |= unix.O_APPEND
	}
	_, err = unix.FcntlInt(uintptr(d.fd), unix.F_SETFL, want)
	return ErrnoOf(err)
}

// blocking says whether the guest wants to wait on this descriptor.
func (d *Descriptor) blocking() bool { return FDFlags(d.flags.Load())&FlagNonblock == 0 }

// Preopen is the name the guest was given this directory under; false for any other descriptor.
func (d *Descriptor) Preopen() (string, bool) { return d.preopen, d.root }

// newStdio duplicates a standard descriptor: closing number 0, 1 or 2 of the process itself would
// let the next file opened take its place.
func (s *System) newStdio(std Stdio) (*Descriptor, error) {
	if !std.open {
		d := s.newDescriptor(-1, FileUnknown)
		if d.sink = std.sink; d.sink == nil {
			d.sink = discard{}
		}
		d.grant(rightsStream, 0)
		return d, nil
	}
	d, err := s.adopt(std.fd)
	if err != nil {
		return nil, err
	}
	d.grant(d.applicable())
	return d, nil
}

// newPreopen duplicates a directory and finds out whether the kernel confines it.
func (s *System) newPreopen(p Preopen) (*Descriptor, error) {
	d, err := s.adopt(p.FD)
	if err != nil {
		return nil, err
	}
	if d.kind != FileDirectory {
		return nil, errors.Join(errors.New("not a directory"), closeErr(d))
	}
	var st, root unix.Stat_t
	if err := errors.Join(unix.Fstat(d.fd, &st), unix.Stat("/", &root)); err != nil {
		return nil, errors.Join(err, closeErr(d))
	}
	d.preopen, d.root = p.Path, true
	d.jailed = st.Dev == root.Dev && st.Ino == root.Ino
	if !d.jailed && !s.openat2 {
		err := errors.New("it is not the process's root and openat2(2), needed to confine it, is missing (Linux 5.6) or filtered")
		return nil, errors.Join(err, closeErr(d))
	}
	d.grant(d.applicable())
	return d, nil
}

// adopt duplicates a descriptor handed in from outside and finds out what it is.
func (s *System) adopt(fd int) (*Descriptor, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	d := s.newDescriptor(dup, FileUnknown)
	var st unix.Stat_t
	flags, err := unix.FcntlInt(uintptr(dup), unix.F_GETFL, 0)
	if err := errors.Join(err, unix.Fstat(dup, &st)); err != nil {
		return nil, errors.Join(fmt.Errorf("descriptor %d: %w", fd, err), closeErr(d))
	}
	d.nonblock = flags&unix.O_NONBLOCK != 0
	if flags&unix.O_APPEND != 0 {
		d.flags.Store(uint32(FlagAppend))
	}
	if err := d.classify(st.Mode); err != nil {
		return nil, errors.Join(fmt.Errorf("descriptor %d: %w", fd, err), closeErr(d))
	}
	return d, nil
}

// classify sets what follows from the kind of file.
func (d *Descriptor) classify(mode uint32) error {
	d.kind = fileTypeOf(mode)
	switch mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		d.waits = true
		return d.classifySocket()
	case unix.S_IFCHR:
		d.waits = true
		_, err := unix.IoctlGetTermios(d.fd, unix.TCGETS)
		d.tty = err == nil
	case unix.S_IFIFO:
		d.waits = true
	}
	return nil
}

func closeErr(d *Descriptor) error {
	if errno := d.close(); errno != ESUCCESS {
		return errno
	}
	return nil
}

// discard is what an absent stdout is.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
