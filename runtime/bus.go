// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/observe"
)

const (
	// maxQueue is how many events a subscriber may be behind: some for every
	// container of a full node.
	maxQueue = 4096
	// earlyFor is how long after a start the events of the recovery are kept
	// for subscribers that come back.
	earlyFor = time.Minute
)

var (
	errSubscriberSlow = fmt.Errorf("events: the reader is more than %d events behind and has missed some; subscribe again and list: %w", maxQueue, errdefs.ErrResourceExhausted)
	errBusClosed      = fmt.Errorf("events: wazelet is shutting down: %w", errdefs.ErrUnavailable)
)

// bus hands events to subscribers. Publishing never waits: a subscriber has a
// bounded queue, and one that lets it fill is cut off instead of losing events
// unawares.
type bus struct {
	mu          sync.Mutex
	subscribers map[*Subscription]struct{}
	closed      bool
	// early are the events of the recovery, which ended at recovered; it is
	// under way while that is zero.
	early     []Event
	recovered time.Time
}

func newBus() *bus { return &bus{subscribers: map[*Subscription]struct{}{}} }

// wanted says whether anybody will hear of an event.
func (b *bus) wanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subscribers) > 0 || b.recovered.IsZero()
}

func (b *bus) publish(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.recovered.IsZero() && len(b.early) < maxQueue {
		b.early = append(b.early, e)
	}
	for s := range b.subscribers {
		if !s.add(e) {
			delete(b.subscribers, s)
			observe.EventReaderCutOff()
		}
	}
}

// endRecovery says that from now on subscribers hear for themselves.
func (b *bus) endRecovery() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recovered = time.Now()
}

func (b *bus) subscribe() *Subscription {
	s := &Subscription{bus: b, wake: make(chan struct{}, 1), gone: sync.OnceFunc(observe.EventReader())}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		s.end(errBusClosed)
		return s
	}
	if !b.recovered.IsZero() && time.Since(b.recovered) > earlyFor {
		b.early = nil
	}
	s.queue = slices.Clone(b.early)
	b.subscribers[s] = struct{}{}
	return s
}

func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.subscribers {
		s.end(errBusClosed)
	}
	clear(b.subscribers)
}

// Subscription is one reader's view of the events.
type Subscription struct {
	bus  *bus
	wake chan struct{} // holds a token while there is something to look at
	gone func()        // counts the reader out

	mu    sync.Mutex
	queue []Event
	err   error
}

// add queues an event, or cuts the reader off.
func (s *Subscription) add(e Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := len(s.queue) >= maxQueue
	if full {
		s.queue, s.err = nil, errSubscriberSlow
	} else {
		s.queue = append(s.queue, e)
	}
	s.signal()
	return !full
}

// end lets the reader have what is queued, and then the error.
func (s *Subscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits for the next event. Events come in the order in which they
// happened, and none is left out: a reader that cannot follow gets
// ErrResourceExhausted, all readers ErrUnavailable when the daemon stops.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		if e, ok, err := s.take(); ok || err != nil {
			return e, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

func (s *Subscription) take() (Event, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return Event{}, false, s.err
	}
	e := s.queue[0]
	s.queue[0] = Event{} // it holds a pod
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = nil
	}
	return e, true, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	delete(s.bus.subscribers, s)
	s.gone()
}
