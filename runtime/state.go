// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
)

// State is where a container is in its life.
//
//	Creating ──▶ Created ──▶ Starting ──▶ Running ──▶ Exited ──▶ Removing ──▶ (gone)
//	    │           │            │                       ▲           ▲
//	    │           └────────────┴───── worker ended ────┘           │
//	    └──────────────── rolled back, by the daemon or its successor ┘
//
// Creating, Starting and Removing are kept in the record so that a daemon
// killed in the middle of a step knows which step to finish or take back.
type State string

// The states of a container.
const (
	// StateCreating: the record exists, the rest is being made.
	StateCreating State = "creating"
	// StateCreated: the worker waits at its gate with the module loaded.
	StateCreated State = "created"
	// StateStarting: the gate is being opened; the guest may already run.
	StateStarting State = "starting"
	// StateRunning: the guest runs.
	StateRunning State = "running"
	// StateExited: the worker has ended; exit code and reason are known.
	StateExited State = "exited"
	// StateRemoving: what Create made is being taken back.
	StateRemoving State = "removing"
)

// moves holds the legal steps; everything else is a bug or a caller's error.
var moves = map[State][]State{
	StateCreating: {StateCreated, StateRemoving},
	StateCreated:  {StateStarting, StateExited},
	StateStarting: {StateRunning, StateExited},
	StateRunning:  {StateExited},
	StateExited:   {StateRemoving},
	StateRemoving: {},
}

// states lists every state, in the order of a life.
var states = []State{StateCreating, StateCreated, StateStarting, StateRunning, StateExited, StateRemoving}

// known says whether s is one of the states, as read from a record.
func (s State) known() bool { return slices.Contains(states, s) }

// live says whether the container has a worker process.
func (s State) live() bool {
	return s == StateCreated || s == StateStarting || s == StateRunning
}

// moveTo changes the container's state, or says why it cannot.
func (c *Container) moveTo(next State) error {
	if !slices.Contains(moves[c.State], next) {
		return fmt.Errorf("container %s: is %s and cannot become %s: %w", c.ID, c.State, next, errdefs.ErrFailedPrecondition)
	}
	c.State = next
	return nil
}

// requireState is the first line of an operation: the states it works in.
func (c Container) requireState(operation string, allowed ...State) error {
	if slices.Contains(allowed, c.State) {
		return nil
	}
	return fmt.Errorf("%s container %s: it is %s: %w", operation, c.ID, c.State, errdefs.ErrFailedPrecondition)
}

// RequireRunning says, with ErrFailedPrecondition, that nothing can be done with
// the container for the purpose because its guest does not run.
func (c Container) RequireRunning(purpose string) error {
	return c.requireState(purpose, StateRunning)
}
