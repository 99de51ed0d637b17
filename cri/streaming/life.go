// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"fmt"
	"sync"

	"github.com/containerd/errdefs"
)

// errClosing is why a stream ends that nobody else has ended.
var errClosing = fmt.Errorf("wazelet is shutting down: %w", errdefs.ErrUnavailable)

// life is the context of all that the server does, and counts it.
type life struct {
	context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex // orders begin and end
	running sync.WaitGroup
}

func newLife() *life {
	l := &life{}
	l.Context, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// begin counts something in until done is called, or says why nothing begins
// any more.
func (l *life) begin() (done func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Err() != nil {
		return nil, context.Cause(l)
	}
	l.running.Add(1)
	return l.running.Done, nil
}

// end lets nothing begin any more and tells what goes on to end.
func (l *life) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel(cause)
}

// wait waits until all that has begun is done.
func (l *life) wait() { l.running.Wait() }
