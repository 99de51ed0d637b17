// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"errors"
	"testing"

	"github.com/containerd/errdefs"
)

// TestEveryMove tries each pair of states, so that a state cannot be half
// added.
func TestEveryMove(t *testing.T) {
	legal := map[[2]State]bool{
		{StateCreating, StateCreated}:  true,
		{StateCreating, StateRemoving}: true,
		{StateCreated, StateStarting}:  true,
		{StateCreated, StateExited}:    true,
		{StateStarting, StateRunning}:  true,
		{StateStarting, StateExited}:   true,
		{StateRunning, StateExited}:    true,
		{StateExited, StateRemoving}:   true,
	}
	for _, from := range states {
		for _, to := range states {
			c := Container{ID: "c", State: from}
			err := c.moveTo(to)
			if legal[[2]State{from, to}] {
				if err != nil || c.State != to {
					t.Errorf("%s to %s: got %s, %v", from, to, c.State, err)
				}
				continue
			}
			if !errors.Is(err, errdefs.ErrFailedPrecondition) || c.State != from {
				t.Errorf("%s to %s: got %s, %v; want a refusal that changes nothing", from, to, c.State, err)
			}
		}
	}
	if len(moves) != len(states) {
		t.Errorf("%d states have moves, %d exist", len(moves), len(states))
	}
}
