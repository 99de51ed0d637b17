// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/sandbox"
)

// Stats is what a container uses now.
type Stats struct {
	cgroup.Stats
	// CPURate is the CPU time used in ns per second, over the last seconds; nil
	// until it has been measured twice.
	CPURate *uint64
	// WritableBytes and WritableInodes are what it has written over its image.
	WritableBytes  int64
	WritableInodes int64
}

// Stats measures a container. One that has no worker uses only its writable
// layer.
func (c *Controller) Stats(ctx context.Context, id string) (Stats, error) {
	e, err := c.store.get(id)
	if err != nil {
		return Stats{}, err
	}
	n := e.container()
	var s Stats
	if s.WritableBytes, s.WritableInodes, err = c.images.RootUsage(ctx, n.ID); err != nil {
		return Stats{}, fmt.Errorf("container %s: writable layer: %w", n.ID, err)
	}
	if !n.State.live() || e.group == nil {
		return s, nil
	}
	if s.Stats, err = e.group.Stats(); err != nil {
		if !e.container().State.live() { // it ended while it was measured
			return s, nil
		}
		return Stats{}, fmt.Errorf("container %s: %w", n.ID, err)
	}
	s.CPURate = c.rates.of(n.ID, s.Time, s.CPUUsageNano)
	return s, nil
}

// SandboxStats is what all of a pod uses now, as its cgroup tells.
type SandboxStats struct {
	cgroup.Stats
	CPURate *uint64 // as in Stats
}

// SandboxStats measures a pod by its own cgroup, in which what ended containers
// used is still counted. It is ErrNotFound when the pod has none to itself.
func (c *Controller) SandboxStats(_ context.Context, id string) (SandboxStats, error) {
	sb, err := c.sandboxes.Get(id)
	if err != nil {
		return SandboxStats{}, err
	}
	parent := c.parentOf(sb)
	for _, other := range c.sandboxes.List() {
		if other.ID != sb.ID && other.CgroupParent == parent {
			return SandboxStats{}, fmt.Errorf("sandbox %s: shares its cgroup %s with sandbox %s: %w", sb.ID, parent, other.ID, errdefs.ErrNotFound)
		}
	}
	group, err := c.cgroups.Parent(parent)
	if err != nil {
		return SandboxStats{}, fmt.Errorf("sandbox %s: %w", sb.ID, err)
	}
	stats, err := group.Stats()
	if err != nil {
		return SandboxStats{}, fmt.Errorf("sandbox %s: %w", sb.ID, err)
	}
	return SandboxStats{
		Stats:   stats,
		CPURate: c.rates.of(sb.ID, stats.Time, stats.CPUUsageNano),
	}, nil
}

// parentOf names the cgroup that the containers of a sandbox lie in.
func (c *Controller) parentOf(sb sandbox.Sandbox) string {
	return first(sb.CgroupParent, c.cgroups.PodParent(sb.ID))
}

// SandboxCgroup is the path of a pod's cgroup in its hierarchies; "" when it is
// gone.
func (c *Controller) SandboxCgroup(sb sandbox.Sandbox) string {
	group, err := c.cgroups.Parent(c.parentOf(sb))
	if err != nil {
		return ""
	}
	return group.Path()
}

// UpdateResources changes a live container's limits in place: change makes the
// new ones from those in force. Updates of one container follow each other.
func (c *Controller) UpdateResources(_ context.Context, id string, change func(cgroup.Resources) cgroup.Resources) error {
	e, err := c.store.get(id)
	if err != nil {
		return err
	}
	e.operation.Lock()
	defer e.operation.Unlock()
	n := e.container()
	if err := n.requireState("update", StateCreated, StateStarting, StateRunning); err != nil {
		return err
	}
	r := change(n.Config.Resources)
	if err := e.group.Update(r); err != nil {
		return fmt.Errorf("container %s: update: %w", n.ID, err)
	}
	_, err = c.store.update(e, func(n *Container) error {
		n.Config.Resources = r
		return nil
	})
	return err
}

// ReopenLog makes a running container write to a new file at its log path:
// the kubelet has moved the old one away.
func (c *Controller) ReopenLog(ctx context.Context, id string) error {
	e, err := c.store.get(id)
	if err != nil {
		return err
	}
	n := e.container()
	if err := n.requireState("reopen the log of", StateRunning, StateStarting, StateCreated); err != nil {
		return err
	}
	if n.LogFile == "" {
		return fmt.Errorf("container %s: has no log: %w", n.ID, errdefs.ErrFailedPrecondition)
	}
	f, err := openLog(n.LogFile)
	if err != nil {
		return fmt.Errorf("container %s: %w", n.ID, err)
	}
	defer f.Close()
	if err := control.Dial(c.controlSocket(n.ID)).ReopenLog(ctx, f); err != nil {
		return fmt.Errorf("container %s: %w", n.ID, launch.Classify(err))
	}
	return nil
}

// openLog opens a container's log for appending, making it if need be.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return f, nil
}
