// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/observe"
)

// ErrNotBegun is the error, beside that of the context, of an Attach that ended while
// it waited for other pods' plugins: nothing has run, and there is nothing to detach.
var ErrNotBegun = errors.New("no plugin has run")

// kind is what a pod's plugins run for.
type kind int

const (
	attaching kind = iota
	detaching
	kinds
)

// leastAtOnce is the least that the default lets run at once: a plugin also waits, for
// locks, the kernel and its agents.
const leastAtOnce = 4

// turns bounds for how many pods plugins run at once. Each runs programs of its own,
// and most of those wait for one lock of the kernel's firewall: many at once only take
// each other's processors and time.
//
// The kinds wait in lines of their own, which are served alternately; each line in its
// order. Neither kind gets all there is: plugins that hang while pods come must not
// keep others from going.
type turns struct {
	most, each int // in all, and of one kind

	mu      sync.Mutex
	held    [kinds]int
	waiting [kinds][]chan struct{} // a turn is given by closing its channel
	next    kind                   // whose line is looked at first
}

// newTurns lets most run at once; 0 is twice the number of processors.
func newTurns(most int) (*turns, error) {
	if most < 0 {
		return nil, fmt.Errorf("network: %d pods at once: %w", most, errdefs.ErrInvalidArgument)
	}
	if most == 0 {
		most = max(leastAtOnce, 2*goruntime.NumCPU())
	}
	each := max(1, most-max(1, most/4))
	return &turns{most: most, each: each}, nil
}

// take waits for a turn, which is to be given back by calling done.
func (t *turns) take(ctx context.Context, k kind) (done func(), err error) {
	ctx, end := observe.Begin(ctx, observe.StepTurn)
	defer func() { end(err) }()
	if context.Cause(ctx) != nil {
		return nil, t.gaveUp(ctx)
	}
	done = sync.OnceFunc(func() { t.give(k) })
	turn := t.queue(k)
	select {
	case <-turn:
		return done, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	at := slices.Index(t.waiting[k], turn)
	if at >= 0 {
		t.waiting[k] = slices.Delete(t.waiting[k], at, at+1)
	}
	t.mu.Unlock()
	if at < 0 { // it came at the same moment
		done()
	}
	return nil, t.gaveUp(ctx)
}

// queue joins the line of a kind. The channel is closed when it is served.
func (t *turns) queue(k kind) chan struct{} {
	turn := make(chan struct{})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting[k] = append(t.waiting[k], turn)
	t.serve()
	return turn
}

func (t *turns) gaveUp(ctx context.Context) error {
	return fmt.Errorf("waiting for the CNI plugins of other pods, which run for %d at once: %w: %w", t.most, ErrNotBegun, context.Cause(ctx))
}

func (t *turns) give(k kind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held[k]--
	t.serve()
}

// serve gives the turns that are free to those that wait. The lock is held.
func (t *turns) serve() {
	for t.held[attaching]+t.held[detaching] < t.most {
		k := t.next
		if !t.may(k) {
			k = (k + 1) % kinds
		}
		if !t.may(k) {
			return
		}
		close(t.waiting[k][0])
		t.waiting[k] = slices.Delete(t.waiting[k], 0, 1)
		t.held[k]++
		t.next = (k + 1) % kinds
	}
}

func (t *turns) may(k kind) bool { return len(t.waiting[k]) > 0 && t.held[k] < t.each }
