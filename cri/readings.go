// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// tick is how often some of the readings are taken anew, and spare how many
	// ticks before they would be too old all of them are: evenly, so that a node of
	// many pods never stands still for it.
	tick  = time.Second
	spare = 2
	// maxAge is the oldest reading that a list may have: what the kubelet's own
	// cAdvisor gives out is 10 to 15 s old, and it decides on eviction every 10 s.
	maxAge = 10 * time.Second
	// maxLayerAge is that of writable layers, which may take long to walk;
	// cAdvisor looks at them once a minute.
	maxLayerAge = time.Minute
	// sameTime is for how long a reading that was given out is given out again: to
	// those who ask for it at the same time, as the kubelet does for pods and then
	// for containers. Who asks twice, a second apart, wants to see what was used in
	// between, as crictl stats does.
	sameTime = 500 * time.Millisecond
	// unasked is after how long a reading that nobody asked for is dropped: the
	// kubelet asks every 10 s, a metrics server every 15 to 60 s.
	unasked = 2 * time.Minute
)

// background is what goes on until close.
type background struct {
	life context.Context
	end  context.CancelFunc

	mu      sync.Mutex // orders close and the start of more
	closed  bool
	running sync.WaitGroup
}

func newBackground() *background {
	b := &background{}
	b.life, b.end = context.WithCancel(context.Background())
	return b
}

// run runs f beside the caller, unless it is too late for it.
func (b *background) run(f func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.running.Go(func() { f(b.life) })
	return true
}

// close ends what goes on and waits for it.
func (b *background) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.running.Wait()
}

// readings keeps what was measured of containers or pods, so that a list of all
// of them costs no more than to write it down. What is asked for again and again
// is measured again beside it, and what nobody has asked for lately is not.
type readings[T any] struct {
	background *background
	measure    func(ctx context.Context, id string) (T, error)
	age        time.Duration // the oldest that is given out
	again      time.Duration // how long one is, once it was

	mu      sync.Mutex
	taken   map[string]*reading[T]
	renewed bool      // someone does
	order   []renewal // renew's
}

// reading is one measurement. A T does not change once it was taken.
type reading[T any] struct {
	value     T
	at, asked time.Time
	given     time.Time // first; zero until then
}

func newReadings[T any](b *background, age, again time.Duration, measure func(context.Context, string) (T, error)) *readings[T] {
	return &readings[T]{background: b, measure: measure, age: age, again: again, taken: map[string]*reading[T]{}}
}

// get returns what was measured of an id at most age ago, and was given out at most
// again ago if it was, or measures it.
func (r *readings[T]) get(ctx context.Context, id string) (T, error) {
	now := time.Now()
	r.mu.Lock()
	last := r.taken[id]
	if last != nil && now.Sub(last.at) <= r.age && (last.given.IsZero() || now.Sub(last.given) <= r.again) {
		last.asked = now
		if last.given.IsZero() {
			last.given = now
		}
		value := last.value
		r.mu.Unlock()
		return value, nil
	}
	r.mu.Unlock()
	return r.take(ctx, id, now, now)
}

// take measures an id that was asked for at a time, and is given out at another, which
// is zero for nobody yet; and has it renewed.
func (r *readings[T]) take(ctx context.Context, id string, asked, given time.Time) (T, error) {
	at := time.Now() // before: it is as old at least
	value, err := r.measure(ctx, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		delete(r.taken, id) // the next who asks hears why
		return value, err
	}
	if last := r.taken[id]; last != nil && last.asked.After(asked) {
		asked = last.asked
	}
	r.taken[id] = &reading[T]{value: value, at: at, asked: asked, given: given}
	if !r.renewed {
		r.renewed = r.background.run(r.renew)
	}
	return value, nil
}

// renew takes readings anew for as long as there are any.
func (r *readings[T]) renew(ctx context.Context) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			for _, d := range r.due(now) {
				if _, err := r.take(ctx, d.id, d.asked, time.Time{}); errors.Is(err, context.Canceled) {
					return
				}
			}
		}
		if r.rest() {
			return
		}
	}
}

// renewal is a reading that is to be taken anew.
type renewal struct {
	id        string
	at, asked time.Time // of the last
}

// due returns the oldest readings that are still asked for and would not do, a part of
// all; it drops those that nobody asks for.
func (r *readings[T]) due(now time.Time) []renewal {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = r.order[:0]
	for id, last := range r.taken {
		if now.Sub(last.asked) > unasked {
			delete(r.taken, id)
			continue
		}
		if last.given.IsZero() && now.Sub(last.at) < r.age-spare*tick {
			continue // nobody has it yet, and it will do
		}
		r.order = append(r.order, renewal{id: id, at: last.at, asked: last.asked})
	}
	slices.SortFunc(r.order, func(a, b renewal) int { return a.at.Compare(b.at) })
	rounds := int(r.age/tick) - spare
	return r.order[:min(len(r.order), (len(r.taken)+rounds-1)/rounds)]
}

// rest says whether nothing is left to renew; whoever asks next begins again.
func (r *readings[T]) rest() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renewed = len(r.taken) > 0
	return !r.renewed
}
