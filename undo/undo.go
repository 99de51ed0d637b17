// SPDX-License-Identifier: Apache-2.0

// Package undo takes back what a half-finished operation made.
//
//	var undo undo.Stack
//	defer func() { if err != nil { err = errors.Join(err, undo.Run(ctx)) } }()
//	undo.Push("network", detach)   // before the act: half an act is undone too
//	if err := attach(); err != nil { return err }
//	…
//	undo.Release()
package undo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// timeout bounds one Run: long enough for a slow CNI plugin, well inside the
// two minutes a kubelet gives a call.
const timeout = 30 * time.Second

// Stack holds the steps that take back what an operation made. The zero value
// is an empty stack. It is not safe for concurrent use.
type Stack struct {
	steps []step
}

type step struct {
	name string
	undo func(context.Context) error
}

// Push adds a step. name is what it takes back, for errors. The step must do
// nothing and return nil when there is nothing to take back, so that it can be
// pushed before the act it undoes.
func (s *Stack) Push(name string, undo func(context.Context) error) {
	s.steps = append(s.steps, step{name: name, undo: undo})
}

// Run runs all steps, newest first, and empties the stack. A step that fails
// does not keep the older ones from running; the errors come joined, each
// named. The steps get ctx's values but not its cancellation, which may be why
// there is something to undo, and 30 s in all.
func (s *Stack) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	var errs []error
	for len(s.steps) > 0 {
		last := s.steps[len(s.steps)-1]
		s.steps = s.steps[:len(s.steps)-1]
		if err := last.undo(ctx); err != nil {
			errs = append(errs, fmt.Errorf("undo %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}

// Release forgets the steps: the operation succeeded.
func (s *Stack) Release() {
	s.steps = nil
}
