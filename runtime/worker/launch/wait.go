// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// awaitReadable waits until fd is readable, in the Go runtime's poller.
func awaitReadable(fd int) error {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// Only a non-blocking file goes to the poller; pidfds have been able to be
	// one since Linux 5.10.
	if err := unix.SetNonblock(own, true); err != nil {
		unix.Close(own)
		return err
	}
	f := os.NewFile(uintptr(own), "pidfd")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var pollErr error
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		if err != nil && err != unix.EINTR {
			pollErr = err
			return true
		}
		return n > 0
	})
	if err != nil {
		return err
	}
	return pollErr
}

// waitid reaps the child behind a pidfd.
func waitid(pidfd int, info *unix.Siginfo) error {
	return unix.Waitid(unix.P_PIDFD, pidfd, info, unix.WEXITED, nil)
}

// childInfo is siginfo_t as waitid fills it (sigaction(2)); the fields after
// the first three begin at the machine's word.
type childInfo struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
}

// statusOf reads how a child ended.
func statusOf(info *unix.Siginfo) Status {
	child := (*childInfo)(unsafe.Pointer(info))
	const exited = 1 // CLD_EXITED; the others are deaths by signal
	if child.code == exited {
		return Status{Known: true, Code: child.status}
	}
	return Status{Known: true, Code: 128 + child.status}
}
