// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"time"

	"golang.org/x/sys/unix"
)

// forever is the timeout of a wait that has none.
const forever = time.Duration(0)

// wait sleeps until one of the events is there on fd (errors and hang-ups always count), the timeout
// is over (EAGAIN) or the guest is interrupted (EINTR).
func (s *System) wait(fd int, events int16, timeout time.Duration) Errno {
	fds := [2]unix.PollFd{
		{Fd: int32(s.wake), Events: unix.POLLIN},
		{Fd: int32(fd), Events: events},
	}
	if timeout == forever {
		return s.waitUntil(fds[:], noDeadline)
	}
	return s.waitUntil(fds[:], saturatingAdd(s.clock.now(), uint64(timeout)))
}

func (s *System) waitUntil(fds []unix.PollFd, deadline uint64) Errno {
	for {
		var left unix.Timespec
		timeout, bounded := s.clock.until(deadline)
		if bounded {
			left = unix.NsecToTimespec(timeout)
		}
		if errno := s.sleep(fds, &left, bounded); errno != ESUCCESS {
			return errno
		}
		switch {
		case fds[1].Revents != 0:
			return ESUCCESS
		case bounded && timeout == 0:
			return EAGAIN
		}
	}
}

// await waits for an event on the descriptor as long as the guest allows (SO_RCVTIMEO, SO_SNDTIMEO).
func (d *Descriptor) await(event int16) Errno {
	timeout := &d.recvTimeout
	if event == unix.POLLOUT {
		timeout = &d.sendTimeout
	}
	return d.sys.wait(d.fd, event, time.Duration(timeout.Load()))
}

// restAfter is how long a guest has waited when Options.Idle is called.
const restAfter = 100 * time.Millisecond

// sleep is one ppoll; fds[0] is the wake descriptor. A signal ends it like a time-out does: callers
// look at their conditions again. EINTR means that the guest is to end.
func (s *System) sleep(fds []unix.PollFd, timeout *unix.Timespec, bounded bool) Errno {
	if !bounded {
		timeout = nil
	}
	// A long wait begins with a short one, once after each that was woken.
	short := s.idle != nil && !s.rested.Load() && (timeout == nil || timeout.Nano() > int64(restAfter))
	if short {
		first := unix.NsecToTimespec(int64(restAfter))
		timeout = &first
	}
	if timeout != nil && !short {
		s.exact()
	}
	s.sleeping.Add(1)
	n, err := unix.Ppoll(fds, timeout, nil)
	if short && n == 0 && err == nil {
		s.idle()
		s.rested.Store(true)
	} else if n > 0 {
		s.rested.Store(false)
	}
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

// timerSlack is how much later than asked for a guest may be woken, in nanoseconds: the
// kernel's default for every process.
const timerSlack = 50_000

// exact has the calling thread's waits be as exact as any process's; the worker's other
// threads take their time. Where a pod's filter of system calls forbids it, so does this one.
func (s *System) exact() {
	if tid := int32(unix.Gettid()); s.exactThread.Swap(tid) != tid {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0)
	}
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
