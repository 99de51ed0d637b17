// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"google.golang.org/grpc/connectivity"
)

const (
	// probeTimeout bounds one look at the upstream runtime.
	probeTimeout = 10 * time.Second
	// probePause lies between two looks while it is away, freshness between two while
	// nobody else asks for its lists.
	probePause = 200 * time.Millisecond
	freshness  = 10 * time.Second
	// stallTimeout is how long an upstream runtime that is connected but answers no
	// list is still given what would change something. It may only be slow.
	stallTimeout = 10 * time.Second
)

// health is whether the upstream runtime answers.
type health struct {
	mu      sync.Mutex
	since   time.Time // when it was found away; zero while it is there
	cause   error     // why it is away
	stalled bool      // connected, but without an answer

	away  chan struct{} // has a value when somebody has found it away
	there chan struct{} // closed once it is there; a new one when it goes
}

func newHealth() health {
	return health{away: make(chan struct{}, 1), there: make(chan struct{})}
}

// lost writes down that the upstream runtime does not answer; the first cause counts.
func (h *health) lost(cause error, stalled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.since.IsZero() {
		h.since, h.there = time.Now(), make(chan struct{})
	}
	h.cause, h.stalled = cause, stalled
	select {
	case h.away <- struct{}{}:
	default:
	}
}

// found writes down that it answers, and says for how long it did not.
func (h *health) found() (gone time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.since.IsZero() {
		gone = time.Since(h.since)
	}
	select {
	case <-h.there:
	default:
		close(h.there)
	}
	h.since, h.cause, h.stalled = time.Time{}, nil, false
	return gone
}

// why is the cause for which the upstream runtime is not there, and since when; nil
// when it is.
func (h *health) why() (cause error, since time.Time, stalled bool) { //nolint:staticcheck // the error is what is asked for
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cause, h.since, h.stalled
}

// isThere ends when the upstream runtime is there.
func (h *health) isThere() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.there
}

// watch keeps what is known fresh, and looks for an upstream runtime that is away
// until it is back.
func (u *Upstream) watch(ctx context.Context) {
	fresh := time.NewTicker(freshness)
	defer fresh.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-u.health.away:
			u.find(ctx)
		case <-fresh.C:
			u.look(ctx)
		}
	}
}

// find looks until the upstream runtime is there.
func (u *Upstream) find(ctx context.Context) {
	cause, _, _ := u.health.why()
	if cause == nil {
		return
	}
	logger := log.G(ctx).WithField("endpoint", u.endpoint)
	logger.WithError(cause).Warn("the upstream runtime is away; its pods are shown as they were last seen")
	for !u.look(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(probePause):
		}
	}
}

// look asks the upstream runtime for all it has, and says whether it answered.
func (u *Upstream) look(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := u.refresh(bounded); err != nil {
		if ctx.Err() == nil {
			u.health.lost(u.describe(err), isTimeout(err))
		}
		return false
	}
	if gone := u.health.found(); gone > 0 {
		log.G(ctx).WithField("endpoint", u.endpoint).WithField("duration", gone.String()).Info("the upstream runtime is there")
	}
	if looked := u.looked.Load(); looked != nil {
		(*looked)(ctx)
	}
	return true
}

// refresh reads all lists of the upstream runtime's into the mirror.
func (u *Upstream) refresh(ctx context.Context) error {
	if cause, _, _ := u.health.why(); cause != nil {
		u.conn.ResetConnectBackoff() // it may be back since the last try
	}
	if err := u.checkDriver(ctx); err != nil {
		return err
	}
	return u.mirror.refresh(ctx, u.runtime, u.images)
}

// refusal is why nothing can be changed upstream now; nil when it can be tried.
func (u *Upstream) refusal() error {
	cause, since, stalled := u.health.why()
	if cause == nil || stalled && time.Since(since) < stallTimeout {
		return nil
	}
	return cause
}

// describe says what is wrong with the upstream runtime in words for a pod's event.
func (u *Upstream) describe(err error) error {
	switch state := u.conn.GetState(); {
	case errdefs.IsFailedPrecondition(err):
		return err
	case state == connectivity.TransientFailure || state == connectivity.Connecting:
		return fmt.Errorf("upstream runtime %s: nobody answers on its socket (%s): %w", u.endpoint, messageOf(err), errdefs.ErrUnavailable)
	case isTimeout(err):
		return fmt.Errorf("upstream runtime %s: no answer in time: %w", u.endpoint, errdefs.ErrUnavailable)
	default:
		return fmt.Errorf("upstream runtime %s: %s: %w", u.endpoint, messageOf(err), errdefs.ErrUnavailable)
	}
}
