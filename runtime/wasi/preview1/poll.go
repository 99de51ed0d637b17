// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
	"github.com/wazelet/wazelet/runtime/wasi/internal/freelist"
)

// pending is one subscription of a poll under way.
type pending struct {
	subscription
	d     *wasi.Descriptor // held until the events are written; nil for a clock
	errno wasi.Errno       // known before waiting
}

// freePending keeps polling free of allocation.
var freePending freelist.List[[]pending]

// pollOneoff waits for the first of the subscriptions and reports all that are ready. What is wrong
// with one of them (its descriptor, its clock) is its event's error. The subscriptions are read before
// any event is written: a guest may use one buffer for both.
func (l *layout) pollOneoff(c guest.Call, a []uint64) wasi.Errno {
	count := guest.U32(a[2])
	if count == 0 || count > wasi.MaxSubscriptions {
		return wasi.EINVAL
	}
	in, errno := c.Array(guest.U32(a[0]), count, l.subscription)
	if errno != wasi.ESUCCESS {
		return errno
	}
	out, errno := c.Array(guest.U32(a[1]), count, eventSize)
	if errno != wasi.ESUCCESS {
		return errno
	}
	result, errno := c.Bytes(guest.U32(a[3]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}

	subs := freePending.Get()
	poller := c.Sys.Poller()
	defer release(poller, subs)
	for ; len(in) > 0; in = in[l.subscription:] {
		s, errno := subscribe(c, poller, l.getSubscription(in))
		if errno != wasi.ESUCCESS {
			return errno
		}
		*subs = append(*subs, s)
	}
	if errno := poller.Wait(); errno != wasi.ESUCCESS {
		return errno
	}
	le.PutUint32(result, putEvents(out, poller, *subs))
	return wasi.ESUCCESS
}

func release(poller *wasi.Poller, subs *[]pending) {
	poller.Release()
	for i := range *subs {
		if d := (*subs)[i].d; d != nil {
			d.Release()
		}
	}
	clear(*subs)
	*subs = (*subs)[:0]
	freePending.Put(subs)
}

// subscribe adds one subscription to the poller; an unknown kind is an error of the whole call.
func subscribe(c guest.Call, poller *wasi.Poller, s subscription) (p pending, errno wasi.Errno) {
	p.subscription = s
	switch s.kind {
	case eventClock:
		const absolute = 1
		_, p.errno = poller.AddTimer(s.clock, s.timeout, s.flags&absolute != 0)
	case eventFDRead, eventFDWrite:
		p.d, p.errno = pollable(c, &s)
		if p.errno == wasi.ESUCCESS {
			if s.kind == eventFDRead {
				poller.AddRead(p.d)
			} else {
				poller.AddWrite(p.d)
			}
		}
	default:
		return p, wasi.EINVAL
	}
	if p.errno != wasi.ESUCCESS {
		poller.AddReady()
	}
	return p, wasi.ESUCCESS
}

func pollable(c guest.Call, s *subscription) (*wasi.Descriptor, wasi.Errno) {
	d, errno := c.Sys.Acquire(s.fd)
	if errno != wasi.ESUCCESS {
		return nil, errno
	}
	if errno := d.Allow(wasi.RightPollFDReadwrite); errno != wasi.ESUCCESS {
		d.Release()
		return nil, errno
	}
	return d, wasi.ESUCCESS
}

// putEvents writes an event for each subscription that is ready and returns their number.
func putEvents(out []byte, poller *wasi.Poller, subs []pending) (n uint32) {
	for i := range subs {
		s := &subs[i]
		ready, hangup := poller.Ready(i)
		if !ready {
			continue
		}
		var nbytes uint64
		var flags uint16
		if s.errno == wasi.ESUCCESS && s.kind == eventFDRead {
			nbytes = s.d.Available()
		}
		if hangup {
			flags = eventHangup
		}
		putEvent(out, &s.subscription, s.errno, nbytes, flags)
		out = out[eventSize:]
		n++
	}
	return n
}
