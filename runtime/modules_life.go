// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"sync"

	"github.com/containerd/errdefs"
)

// modulesLife is what compilers live in: longer than who asked for them, and not
// longer than the cache.
type modulesLife struct {
	context.Context
	end context.CancelCauseFunc

	mu      sync.Mutex // orders Close and the start of compilers
	closed  bool
	running sync.WaitGroup
}

var errModulesClosed = fmt.Errorf("wazelet is shutting down: %w", errdefs.ErrUnavailable)

// begin returns the context of a compile that ctx asks for, and what to call at
// its end.
func (l *modulesLife) begin(ctx context.Context) (_ context.Context, ended func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, errModulesClosed
	}
	l.running.Add(1)
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(l, func() { cancel(context.Cause(l)) })
	return ctx, func() {
		stop()
		cancel(nil)
		l.running.Done()
	}, nil
}

// Close ends the compilers under way and waits until nothing is left of them.
// Modules that are compiled can still be used, others are ErrUnavailable.
func (m *Modules) Close() {
	m.life.mu.Lock()
	m.life.closed = true
	m.life.mu.Unlock()
	m.life.end(errModulesClosed)
	m.life.running.Wait()
}
