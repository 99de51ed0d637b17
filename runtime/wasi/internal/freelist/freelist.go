// SPDX-License-Identifier: Apache-2.0

// Package freelist keeps values for reuse, like sync.Pool, but for good: what a host call needs is
// there whenever the collector ran or the race detector plays dice, so hot paths stay free of garbage.
package freelist

import "sync"

// keep bounds how many values a list keeps: one for each thread that is in a host call at a time.
const keep = 64

// List is a list of values that are free. The zero value is ready.
type List[T any] struct {
	mu   sync.Mutex
	free []*T
}

// Get takes a value off the list; a new, zero one if there is none.
func (l *List[T]) Get() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free) - 1; n >= 0 {
		v := l.free[n]
		l.free = l.free[:n]
		return v
	}
	return new(T)
}

// Put gives a value back.
func (l *List[T]) Put(v *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) < keep {
		l.free = append(l.free, v)
	}
}
