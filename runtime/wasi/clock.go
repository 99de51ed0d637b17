// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// ClockID names a clock (`clockid` in preview 1).
type ClockID uint32

// The preview 1 clocks.
const (
	ClockRealtime ClockID = iota
	ClockMonotonic
	ClockProcessCPU
	ClockThreadCPU
)

// kernelClock is the kernel's number of a clock. A thread's CPU time is the process's: Go moves the
// guest between threads, and the guest's is the only work the process does.
func (c ClockID) kernelClock() (int32, Errno) {
	switch c {
	case ClockRealtime:
		return unix.CLOCK_REALTIME, ESUCCESS
	case ClockMonotonic:
		return unix.CLOCK_MONOTONIC, ESUCCESS
	case ClockProcessCPU, ClockThreadCPU:
		return unix.CLOCK_PROCESS_CPUTIME_ID, ESUCCESS
	}
	return 0, EINVAL
}

// Now is a clock's time in nanoseconds (clock_time_get).
func (s *System) Now(id ClockID) (uint64, Errno) {
	switch id {
	case ClockRealtime:
		return uint64(time.Now().UnixNano()), ESUCCESS
	case ClockMonotonic:
		return s.clock.now(), ESUCCESS
	}
	clock, errno := id.kernelClock()
	if errno != ESUCCESS {
		return 0, errno
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, ErrnoOf(err)
	}
	return uint64(ts.Nano()), ESUCCESS
}

// Resolution is a clock's resolution in nanoseconds (clock_res_get).
func (s *System) Resolution(id ClockID) (uint64, Errno) {
	clock, errno := id.kernelClock()
	if errno != ESUCCESS {
		return 0, errno
	}
	var ts unix.Timespec
	if err := unix.ClockGetres(clock, &ts); err != nil {
		return 0, ErrnoOf(err)
	}
	return uint64(ts.Nano()), ESUCCESS
}

// clock turns the Go runtime's clock, which needs no system call, into CLOCK_MONOTONIC.
type clock struct {
	start time.Time
	mono  int64 // CLOCK_MONOTONIC at start, in nanoseconds
}

func newClock() (clock, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return clock{}, err
	}
	return clock{start: time.Now(), mono: ts.Nano()}, nil
}

// until is the time left to a deadline, in nanoseconds; false for noDeadline.
func (c clock) until(deadline uint64) (int64, bool) {
	if deadline == noDeadline {
		return 0, false
	}
	return int64(min(deadline-min(deadline, c.now()), math.MaxInt64)), true
}

func (c clock) now() uint64 { return uint64(c.mono + int64(time.Since(c.start))) }

// Random fills b from the kernel's generator (random_get).
func (s *System) Random(b []byte) Errno {
	// In pieces: one call for gigabytes could not be interrupted.
	const piece = 1 << 20
	for len(b) > 0 {
		n, err := unix.Getrandom(b[:min(len(b), piece)], 0)
		if errno := ErrnoOf(err); errno != ESUCCESS && errno != EINTR {
			return errno
		}
		if _, exited := s.Exited(); exited {
			return EINTR
		}
		b = b[max(n, 0):]
	}
	return ESUCCESS
}
