// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
)

// TestResizeIsKept across a restart, and a retry of the first call still finds
// the sandbox that it made.
func TestResizeIsKept(t *testing.T) {
	n := newNode(t)
	c := n.start()
	config := nodeConfig("web")
	config.Resources = &cgroup.Resources{MemoryLimit: 1 << 20}
	sb := create(t, c, config)
	for _, r := range []Resources{
		{Overhead: &cgroup.Resources{CPUShares: 10}},
		{Resources: &cgroup.Resources{MemoryLimit: 2 << 20}},
	} {
		if err := c.UpdateResources(t.Context(), sb.ID, r); err != nil {
			t.Fatal(err)
		}
	}
	if again := create(t, c, config); again.ID != sb.ID {
		t.Errorf("a retry made %s beside %s", again.ID, sb.ID)
	}
	c.Close()
	if err := c.UpdateResources(t.Context(), sb.ID, Resources{}); !errdefs.IsUnavailable(err) {
		t.Errorf("after the end: %v", err)
	}
	c = n.start()
	got, err := c.Get(sb.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Resized == nil || got.Resized.Overhead.CPUShares != 10 || got.Resized.Resources.MemoryLimit != 2<<20 || got.Resources.MemoryLimit != 1<<20 {
		t.Errorf("resized %+v, config %+v", got.Resized, got.Resources)
	}
	if err := c.UpdateResources(t.Context(), "absent", Resources{}); !errdefs.IsNotFound(err) {
		t.Errorf("an absent sandbox: %v", err)
	}
}
