// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"math"

	"golang.org/x/sys/unix"
)

// Poller waits for the first of many things: descriptors becoming readable or writable, moments on
// the clocks. It is made of one ppoll over the kernel's descriptors, the wake descriptor among them,
// so an idle guest costs nothing and Interrupt ends any wait. Both faces use it: poll_oneoff and the
// pollables of WASI 0.2.
//
//	p := sys.Poller()
//	i := p.AddRead(d)
//	p.AddTimer(wasi.ClockMonotonic, 1e9, false)
//	errno := p.Wait()
//	… p.Ready(i) …
//	p.Release()
type Poller struct {
	sys   *System
	items []item
	fds   []unix.PollFd // fds[0] is the wake descriptor
	ready bool          // something is ready without asking the kernel
	// realtime is a timerfd on the settable clock, made when first needed: a wait until a moment of
	// that clock must follow when the clock is set.
	realtime    int
	hasRealtime bool
}

// item is one thing waited for.
type item struct {
	slot     int         // its place in fds; 0: it has none
	listener *Descriptor // nil where it is none
	deadline uint64      // on the monotonic clock; noDeadline: none
	ready    bool
	hangup   bool
}

const noDeadline = math.MaxUint64

// Poller is an empty poller; Release gives it back. Reusing them keeps polling free of allocation.
func (s *System) Poller() *Poller {
	p := s.pollers.Get()
	p.sys = s
	p.fds = append(p.fds[:0], unix.PollFd{Fd: int32(s.wake), Events: unix.POLLIN})
	p.items, p.ready = p.items[:0], false
	return p
}

// Release gives the poller back.
func (p *Poller) Release() {
	if p.hasRealtime {
		// Rare enough not to keep.
		_ = unix.Close(p.realtime)
		p.hasRealtime = false
	}
	p.sys.pollers.Put(p)
}

// AddRead waits for data, a connection or the end of the file; it returns the number for Ready. The
// descriptor must stay held until Wait has returned.
func (p *Poller) AddRead(d *Descriptor) int { return p.add(d, unix.POLLIN) }

// AddWrite waits for room to write.
func (p *Poller) AddWrite(d *Descriptor) int { return p.add(d, unix.POLLOUT) }

func (p *Poller) add(d *Descriptor, event int16) int {
	d.undeclared.Store(false) // a guest that polls means not to wait elsewhere
	if d.fd < 0 || !d.waits {
		// Files are always ready, as for poll(2).
		return p.put(item{deadline: noDeadline, ready: true})
	}
	it := item{deadline: noDeadline}
	if d.listening.Load() {
		it.listener = d
		if p.sys.connections.draining.Load() {
			it.ready = event == unix.POLLIN && p.sys.connections.pending(d)
			return p.put(it)
		}
	}
	p.fds = append(p.fds, unix.PollFd{Fd: int32(d.fd), Events: event})
	it.slot = len(p.fds) - 1
	return p.put(it)
}

func (p *Poller) put(it item) int {
	p.items = append(p.items, it)
	p.ready = p.ready || it.ready
	return len(p.items) - 1
}

// AddReady adds something that is ready as it is: an answer that is an error, say.
func (p *Poller) AddReady() int { return p.put(item{deadline: noDeadline, ready: true}) }

// AddTimer waits for a time on a clock: nanoseconds from now, or with absolute that very time. The
// CPU clocks cannot be waited for (ENOTSUP).
func (p *Poller) AddTimer(id ClockID, at uint64, absolute bool) (int, Errno) {
	switch {
	case id > ClockThreadCPU:
		return 0, EINVAL
	case id > ClockMonotonic:
		return 0, ENOTSUP
	case !absolute:
		at = saturatingAdd(p.sys.clock.now(), at)
	case id == ClockRealtime:
		return p.addRealtime(at)
	}
	return p.put(item{deadline: at}), ESUCCESS
}

func saturatingAdd(a, b uint64) uint64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return noDeadline
}

// addRealtime waits with a timerfd of its own: a second such timer in one poll is rare.
func (p *Poller) addRealtime(at uint64) (int, Errno) {
	if p.hasRealtime {
		// The earlier of two would do for waking, but each must be told apart: compare by time left.
		now, _ := p.sys.Now(ClockRealtime)
		return p.put(item{deadline: saturatingAdd(p.sys.clock.now(), at-min(at, now))}), ESUCCESS
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return 0, ErrnoOf(err)
	}
	p.realtime, p.hasRealtime = fd, true
	at = min(max(at, 1), math.MaxInt64) // a zero would disarm it
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		return 0, ErrnoOf(err)
	}
	p.fds = append(p.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	return p.put(item{deadline: noDeadline, slot: len(p.fds) - 1}), ESUCCESS
}

// Wait returns when at least one thing is ready. EINTR: the guest is to end.
func (p *Poller) Wait() Errno {
	for {
		timeout, bounded := p.timeout()
		left := unix.NsecToTimespec(timeout)
		if errno := p.sys.sleep(p.fds, &left, bounded); errno != ESUCCESS {
			return errno
		}
		if p.collect() {
			return ESUCCESS
		}
	}
}

// timeout is how long the kernel may sleep, in nanoseconds; false: for ever.
func (p *Poller) timeout() (int64, bool) {
	if p.ready {
		return 0, true
	}
	first := uint64(noDeadline)
	for i := range p.items {
		first = min(first, p.items[i].deadline)
	}
	return p.sys.clock.until(first)
}

// collect marks what is ready.
func (p *Poller) collect() (found bool) {
	var now uint64
	for i := range p.items {
		it := &p.items[i]
		if it.slot > 0 {
			events := p.events(it)
			it.ready = events != 0
			it.hangup = events&(unix.POLLHUP|unix.POLLERR) != 0
		} else if it.deadline != noDeadline {
			if now == 0 {
				now = p.sys.clock.now()
			}
			it.ready = it.deadline <= now
		}
		found = found || it.ready
	}
	return found
}

// events are what the kernel says of a descriptor. Of a listener that a drain has shut meanwhile it
// says that it hung up; the guest is to see what is left of the backlog, and then nothing ever.
func (p *Poller) events(it *item) int16 {
	fd := &p.fds[it.slot]
	if it.listener == nil || fd.Revents == 0 || !p.sys.connections.draining.Load() {
		return fd.Revents
	}
	fd.Fd = -1 // the kernel need not be asked again
	if fd.Events == unix.POLLIN && p.sys.connections.pending(it.listener) {
		return unix.POLLIN
	}
	return 0
}

// Ready says whether thing number i is ready, and whether its other side is gone.
func (p *Poller) Ready(i int) (ready, hangup bool) {
	return p.items[i].ready, p.items[i].hangup
}
