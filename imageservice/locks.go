// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"sync"
)

// locks is a set of locks by key, so that pulls of different images fetch a blob and unpack a layer they share once. The
// zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for the key and returns what gives it back.
func (l *locks) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		released, busy := l.held[key]
		if !busy {
			if l.held == nil {
				l.held = make(map[string]chan struct{})
			}
			released = make(chan struct{})
			l.held[key] = released
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, key)
				l.mu.Unlock()
				close(released)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-released:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
