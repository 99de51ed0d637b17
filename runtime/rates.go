// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"sync"
	"time"
)

const (
	// rateWindow is the least time over which a rate is taken once there is one:
	// less than passes between two readings that are taken for lists.
	rateWindow = 5 * time.Second
	// firstWindow is enough for the first.
	firstWindow = 500 * time.Millisecond
)

// rates makes rates of counters. Whoever asks brings the readings: nothing is
// measured while nobody asks, and how often several ask does not matter.
type rates struct {
	mu       sync.Mutex
	readings map[string]reading
}

// reading is a counter at a time, and its rate up to then.
type reading struct {
	at   time.Time
	used uint64
	rate *uint64 // per second
}

// of returns a counter's rate per second, nil until it is known.
func (r *rates) of(id string, at time.Time, used uint64) *uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.readings == nil {
		r.readings = map[string]reading{}
	}
	last, known := r.readings[id]
	if !known || used < last.used || at.Before(last.at) {
		r.readings[id] = reading{at: at, used: used}
		return nil
	}
	span := at.Sub(last.at)
	if span < firstWindow || last.rate != nil && span < rateWindow {
		return last.rate
	}
	rate := uint64(float64(used-last.used) / span.Seconds())
	if span >= rateWindow {
		r.readings[id] = reading{at: at, used: used, rate: &rate}
	}
	return &rate
}

// forget drops what is known of a counter that is gone.
func (r *rates) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.readings, id)
}
