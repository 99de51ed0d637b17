// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"

	"github.com/containerd/errdefs"
)

// TestMoves tries every pair of states.
func TestMoves(t *testing.T) {
	all := []State{stateNone, StateCreating, StateReady, StateNotReady}
	legal := map[[2]State]bool{
		{stateNone, StateCreating}:     true,
		{StateCreating, StateReady}:    true,
		{StateCreating, StateNotReady}: true,
		{StateCreating, stateNone}:     true,
		{StateReady, StateNotReady}:    true,
		{StateNotReady, stateNone}:     true,
	}
	for _, from := range all {
		for _, to := range all {
			sb := Sandbox{ID: "a", State: from}
			err := sb.moveTo(to)
			if legal[[2]State{from, to}] {
				if err != nil || sb.State != to {
					t.Errorf("%q to %q: %v, is %q", from, to, err, sb.State)
				}
			} else if !errdefs.IsFailedPrecondition(err) || sb.State != from {
				t.Errorf("%q to %q: %v, is %q", from, to, err, sb.State)
			}
		}
	}
	if len(moves) != len(all) {
		t.Errorf("a state is not in this test: %v", moves)
	}
}
