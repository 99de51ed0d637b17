// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// child is a process to start.
type child struct {
	path, mode string
	env        []string
	dir        string       // "" leaves it where enter has brought it
	enter      func() error // brings the thread it is born on where it belongs
	rootless   bool
	userns     *UserNS    // nil for the daemon's own
	late       bool       // the mapping of userns is written once the child is there
	cgroup     Cgroup     // nil for the daemon's own
	tty        bool       // stdin becomes its controlling terminal
	groups     []uint32   // its supplementary groups; nil leaves it the daemon's
	labelled   bool       // it will execute itself with another SELinux label, which no_new_privs would forbid
	files      []*os.File // stdio, then SetupFD (left nil), then the rest
	flags      uintptr
}

// start starts a child and returns it with the daemon's end of the set-up
// socket, whose calls end with ctx until stop is called.
func start(ctx context.Context, c child) (p *Process, conn *net.UnixConn, stop func() bool, err error) {
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, nil, nil, err
	}
	defer theirs.Close()
	c.files[spec.SetupFD] = theirs
	if p, err = c.spawn(); err != nil {
		conn.Close()
		return nil, nil, nil, fmt.Errorf("worker %s: %w", c.path, err)
	}
	return p, conn, endWith(ctx, conn), nil
}

// endWith has the connection's calls end with ctx, until stop is called.
func endWith(ctx context.Context, conn *net.UnixConn) (stop func() bool) {
	// A deadline in the past ends any read or write at once.
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("set-up socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "setup"), os.NewFile(uintptr(fds[1]), "setup")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("set-up socket: %w", err)
	}
	return conn.(*net.UnixConn), theirs, nil
}

// spawn clones the process. It is reaped through its pidfd alone.
func (c *child) spawn() (*Process, error) {
	pidfd := -1
	attr := &os.ProcAttr{
		Files: c.files,
		Env:   append([]string{}, c.env...),
		Dir:   c.dir,
		Sys:   &syscall.SysProcAttr{Cloneflags: c.flags, PidFD: &pidfd, Setsid: !c.foreground(), Setctty: c.tty},
	}
	if c.foreground() {
		// Nobody would find the worker of a caller that was killed.
		attr.Sys.Pdeathsig = unix.SIGKILL
	}
	if c.rootless {
		attr.Sys.Cloneflags |= unix.CLONE_NEWUSER
		attr.Sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.Sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if c.userns != nil {
		c.userns.apply(attr.Sys, c.late)
	}
	var process *os.Process
	born := false // in its cgroup
	enter := func() (err error) {
		if born, err = c.enterCgroup(attr.Sys); err != nil {
			return err
		}
		if err := c.enter(); err != nil {
			return err
		}
		return c.bear()
	}
	err := onThread(enter, !c.rootless && c.userns == nil, c.foreground(), func() (err error) {
		process, err = os.StartProcess(c.path, []string{"wazelet-worker", c.mode}, attr)
		return err
	})
	if attr.Sys.UseCgroupFD {
		unix.Close(attr.Sys.CgroupFD)
	}
	if err != nil {
		return nil, err
	}
	p := &Process{Pid: process.Pid, pidfd: pidfd}
	_ = process.Release()
	p.StartTime, err = startTime(p.Pid)
	if err == nil && !born {
		err = c.cgroup.Add(p.Pid)
	}
	if err != nil {
		return nil, errors.Join(err, p.end(context.Background()))
	}
	return p, nil
}

// timerSlack is how much later than asked for a timer of a worker may be, in nanoseconds
// (PR_SET_TIMERSLACK(2const)). The Go runtime's own watcher sleeps 20 microseconds at a time for as long as
// anything happens, and each time it wakes costs more than it sees. What a guest waits
// for is exact nevertheless, see package wasi.
const timerSlack = 1_000_000

// bear gives the calling thread's child what else it is born with. What it would have to
// change on each of its threads later is done on one here.
func (c *child) bear() error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0); err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	if c.groups != nil {
		if err := setGroups(c.groups); err != nil {
			return fmt.Errorf("set groups %v: %w", c.groups, err)
		}
	}
	if !c.labelled {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	return nil
}

// bornGroups are a child's groups from its birth: not nil, unless it is mapped, when they are
// others for it than for the daemon.
func bornGroups(groups []uint32, mapped bool) []uint32 {
	if mapped {
		return nil
	}
	return append([]uint32{}, groups...)
}

// setGroups sets the calling thread's groups, unlike syscall.Setgroups, which sets all
// threads'.
func setGroups(groups []uint32) error {
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return errno
	}
	return nil
}

// enterCgroup has the calling thread's child born in its cgroup; born is false if it has
// to be added to it instead.
func (c *child) enterCgroup(attr *syscall.SysProcAttr) (born bool, err error) {
	if c.cgroup == nil {
		return true, nil
	}
	dir, err := c.cgroup.Enter()
	if errdefs.IsNotImplemented(err) {
		return false, nil
	}
	if err != nil || dir == nil {
		return true, err
	}
	defer dir.Close()
	// Its own descriptor: the file's might be closed by a finalizer.
	attr.CgroupFD, err = unix.FcntlInt(dir.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	attr.UseCgroupFD = err == nil
	return true, err
}

// foreground says whether the child keeps the caller's terminal.
func (c *child) foreground() bool { return c.files[0] == os.Stdin }
