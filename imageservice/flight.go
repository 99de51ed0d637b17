// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"sync"
)

// errClosing is the cause with which pulls end when the service is closed; errLeft when nobody waits for one any more.
var (
	errClosing = errors.New("the image service is stopping")
	errLeft    = errors.New("the pull was cancelled")
)

// flights lets callers that want the same pull share one. The zero value is ready.
type flights struct {
	mu     sync.Mutex
	joined map[string]*flight
	closed bool
	wg     sync.WaitGroup
}

// flight is a pull under way.
type flight struct {
	cancel  context.CancelCauseFunc
	waiting int           // callers; guarded by flights.mu
	done    chan struct{} // closed when the result below is set
	image   Image
	err     error
}

// do runs pull, or waits for the one of the same key that is running. The pull does not end with the ctx of the caller
// that began it, but when no caller is left; the last one to leave waits until it has cleaned up.
func (f *flights) do(ctx context.Context, key string, pull func(context.Context) (Image, error)) (Image, error) {
	if err := ctx.Err(); err != nil {
		return Image{}, context.Cause(ctx)
	}
	fl, err := f.join(ctx, key, pull)
	if err != nil {
		return Image{}, err
	}
	select {
	case <-fl.done:
		return fl.image, fl.err
	case <-ctx.Done():
		if f.leave(key, fl) {
			<-fl.done
		}
		return Image{}, context.Cause(ctx)
	}
}

func (f *flights) join(ctx context.Context, key string, pull func(context.Context) (Image, error)) (*flight, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errClosing
	}
	if fl := f.joined[key]; fl != nil {
		fl.waiting++
		return fl, nil
	}
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	fl := &flight{cancel: cancel, waiting: 1, done: make(chan struct{})}
	if f.joined == nil {
		f.joined = make(map[string]*flight)
	}
	f.joined[key] = fl
	f.wg.Go(func() {
		defer cancel(nil)
		fl.image, fl.err = pull(own)
		f.mu.Lock()
		f.forget(key, fl)
		f.mu.Unlock()
		close(fl.done)
	})
	return fl, nil
}

// leave takes one caller away and cancels the flight if it was the last.
func (f *flights) leave(key string, fl *flight) (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.waiting--
	if fl.waiting > 0 {
		return false
	}
	f.forget(key, fl) // so that nobody joins a pull that is ending
	fl.cancel(errLeft)
	return true
}

func (f *flights) forget(key string, fl *flight) {
	if f.joined[key] == fl {
		delete(f.joined, key)
	}
}

// close cancels all flights, waits for them, and lets no other begin.
func (f *flights) close() {
	f.mu.Lock()
	f.closed = true
	for _, fl := range f.joined {
		fl.cancel(errClosing)
	}
	f.mu.Unlock()
	f.wg.Wait()
}
