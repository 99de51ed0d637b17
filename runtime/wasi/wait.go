// SPDX-License-Identifier: Apache-2.0

package wasi

import "golang.org/x/sys/unix"

// wait sleeps until one of the events is there on fd (errors and hang-ups always count) or the guest
// is interrupted (EINTR).
func (s *System) wait(fd int, events int16) Errno {
	fds := [2]unix.PollFd{
		{Fd: int32(s.wake), Events: unix.POLLIN},
		{Fd: int32(fd), Events: events},
	}
	for {
		if errno := s.sleep(fds[:], nil); errno != ESUCCESS {
			return errno
		}
		if fds[1].Revents != 0 {
			return ESUCCESS
		}
	}
}

// sleep is one ppoll; fds[0] is the wake descriptor. A signal ends it like a time-out does: callers
// look at their conditions again. EINTR means that the guest is to end.
func (s *System) sleep(fds []unix.PollFd, timeout *unix.Timespec) Errno {
	s.sleeping.Add(1)
	_, err := unix.Ppoll(fds, timeout, nil)
	s.sleeping.Add(-1)
	s.wakeups.Add(1)
	if _, exited := s.Exited(); exited {
		return EINTR
	}
	if ErrnoOf(err) == EINTR {
		for i := range fds {
			fds[i].Revents = 0
		}
		return ESUCCESS
	}
	return ErrnoOf(err)
}

// pollNow is what poll says of fd without waiting.
func pollNow(fd int, events int16) int16 {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Ppoll(fds[:], &unix.Timespec{}, nil)
		if ErrnoOf(err) != EINTR {
			return fds[0].Revents
		}
	}
}
