// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// errUnwanted is the cause with which a compiler ends that nobody waits for any more.
var errUnwanted = errors.New("nobody waits for the compiled module any more")

// flight is a compiler at work, and those who wait for it.
type flight struct {
	cancel  context.CancelCauseFunc
	waiting int
	kept    bool // goes on when nobody waits: somebody will ask again
	done    chan struct{}
	err     error // set when done is closed
}

// await has a module compiled by the one compiler that works on it, and waits for it. When ctx ends first, the compiler
// goes on for whoever else waits or, if one of them says keep, for the next that asks; else it is ended, and gone when
// await returns.
func (m *Modules) await(ctx context.Context, key, digest string, module *os.File, keep bool) error {
	f, err := m.join(ctx, key, digest, module, keep)
	if err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		if m.leave(key, f) {
			<-f.done
		}
		return fmt.Errorf("module %s: compile: %w", digest, context.Cause(ctx))
	}
}

func (m *Modules) join(ctx context.Context, key, digest string, module *os.File, keep bool) (*flight, error) {
	m.flying.Lock()
	defer m.flying.Unlock()
	if f := m.flights[key]; f != nil {
		f.waiting++
		f.kept = f.kept || keep
		return f, nil
	}
	own, err := reopen(module) // the compiler may outlive its callers
	if err != nil {
		return nil, err
	}
	ctx, ended, err := m.life.begin(ctx)
	if err != nil {
		return nil, errors.Join(err, own.Close())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	f := &flight{cancel: cancel, waiting: 1, kept: keep, done: make(chan struct{})}
	m.flights[key] = f
	go func() {
		defer ended()
		defer cancel(nil)
		defer own.Close()
		if !m.Has(digest) { // made since the caller looked
			f.err = m.compile(ctx, key, digest, own)
		}
		m.flying.Lock()
		m.forgetFlight(key, f)
		m.flying.Unlock()
		close(f.done)
	}()
	return f, nil
}

// leave takes one caller away, and ends the compiler if it was the last and nobody wants the compiler kept.
func (m *Modules) leave(key string, f *flight) (ended bool) {
	m.flying.Lock()
	defer m.flying.Unlock()
	f.waiting--
	if f.waiting > 0 || f.kept {
		return false
	}
	m.forgetFlight(key, f) // so that nobody joins a compiler that is ending
	f.cancel(errUnwanted)
	return true
}

// forgetFlight lets the next caller begin anew. m.flying is held.
func (m *Modules) forgetFlight(key string, f *flight) {
	if m.flights[key] == f {
		delete(m.flights, key)
	}
}
