// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
)

// State is where a sandbox is in its life:
//
//	      Create                        Stop, reboot
//	( ) ────────▶ Creating ────▶ Ready ──────────────▶ NotReady ────▶ ( )
//	 ▲                │                                    ▲  Remove
//	 └────────────────┴────────────────────────────────────┘
//	    rolled back            could not be rolled back
//
// A sandbox is seen from outside once it is Ready, and while there is
// something of it to take away.
type State string

const (
	stateNone State = "" // no sandbox

	// StateCreating is a sandbox whose Create is under way.
	StateCreating State = "creating"
	// StateReady is one that containers can be made in.
	StateReady State = "ready"
	// StateNotReady is one that has no network any more or is about to lose it.
	StateNotReady State = "notready"
)

// moves are the legal changes of state.
var moves = map[State][]State{
	stateNone:     {StateCreating},
	StateCreating: {StateReady, StateNotReady, stateNone},
	StateReady:    {StateNotReady},
	StateNotReady: {stateNone},
}

// moveTo changes the state, or says that this is no legal move.
func (sb *Sandbox) moveTo(next State) error {
	if !slices.Contains(moves[sb.State], next) {
		return fmt.Errorf("sandbox %s: is %q, cannot become %q: %w", sb.ID, sb.State, next, errdefs.ErrFailedPrecondition)
	}
	sb.State = next
	return nil
}
