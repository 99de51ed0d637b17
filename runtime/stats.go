// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/sandbox"
)

// Usage is what a container, or a pod, used when it was measured.
type Usage struct {
	cgroup.Usage
	// CPURate is the CPU time used in ns per second, over the last seconds; nil
	// until it has been measured twice.
	CPURate *uint64
}

// Usage measures a container by its cgroup. One that has no worker uses nothing,
// at no time.
func (c *Controller) Usage(id string) (Usage, error) {
	used, id, err := measure(c, id, (*cgroup.Group).Usage)
	if err != nil || used.Time.IsZero() {
		return Usage{}, err
	}
	return Usage{Usage: used, CPURate: c.rates.of(id, used.Time, used.CPUUsageNano)}, nil
}

// Stats measures all that is known of a container, which costs ten times what Usage
// does.
func (c *Controller) Stats(id string) (cgroup.Stats, error) {
	used, _, err := measure(c, id, (*cgroup.Group).Stats)
	return used, err
}

// measure reads the cgroup of a container, whose full id it returns.
func measure[T any](c *Controller, id string, read func(*cgroup.Group) (T, error)) (used T, full string, err error) {
	var none T
	e, err := c.store.get(id)
	if err != nil {
		return none, "", err
	}
	n := e.status.Load()
	if !n.State.live() || e.group == nil {
		return none, n.ID, nil
	}
	if used, err = read(e.group); err != nil {
		if !e.status.Load().State.live() { // it ended while it was measured
			return none, n.ID, nil
		}
		return none, n.ID, fmt.Errorf("container %s: %w", n.ID, err)
	}
	return used, n.ID, nil
}

// Layer is what a container has written over its image.
type Layer struct {
	Time          time.Time // when it was measured
	Bytes, Inodes int64
}

// Layer measures what a container has written. It walks all of it.
func (c *Controller) Layer(ctx context.Context, id string) (Layer, error) {
	e, err := c.store.get(id)
	if err != nil {
		return Layer{}, err
	}
	l := Layer{Time: time.Now()}
	if l.Bytes, l.Inodes, err = c.images.RootUsage(ctx, e.container().ID); err != nil {
		return Layer{}, fmt.Errorf("container %s: writable layer: %w", e.container().ID, err)
	}
	return l, nil
}

// SandboxStats is what a pod used when it was measured.
type SandboxStats struct {
	// Cgroup is the path of the pod's cgroup in its hierarchies; "" when it is gone.
	Cgroup string
	// Whole is by that cgroup, in which what ended containers used is still
	// counted; nil when the pod has none to itself.
	Whole *Usage
	// Processes are those of the pod.
	Processes uint64
}

// SandboxStats measures a pod.
func (c *Controller) SandboxStats(id string) (SandboxStats, error) {
	sb, err := c.sandboxes.Get(id)
	if err != nil {
		return SandboxStats{}, err
	}
	parent := c.parentOf(sb)
	others := c.sandboxes.CountIn(parent)
	if sb.CgroupParent == parent {
		others--
	}
	group, err := c.cgroups.Parent(parent)
	if errdefs.IsNotFound(err) {
		return SandboxStats{}, nil
	}
	if err != nil {
		return SandboxStats{}, fmt.Errorf("sandbox %s: %w", sb.ID, err)
	}
	s := SandboxStats{Cgroup: group.Path()}
	if others > 0 {
		s.Processes, err = c.countProcesses(sb.ID)
		return s, err
	}
	used, err := group.Usage()
	if err != nil {
		return s, fmt.Errorf("sandbox %s: %w", sb.ID, err)
	}
	processes, err := group.Processes()
	if err != nil {
		return s, fmt.Errorf("sandbox %s: %w", sb.ID, err)
	}
	s.Whole = &Usage{Usage: used, CPURate: c.rates.of(sb.ID, used.Time, used.CPUUsageNano)}
	s.Processes = uint64(len(processes))
	return s, nil
}

// countProcesses counts those of a pod by its containers.
func (c *Controller) countProcesses(sandboxID string) (n uint64, err error) {
	for _, e := range c.store.ofSandbox(sandboxID) {
		if !e.status.Load().State.live() || e.group == nil {
			continue
		}
		processes, err := e.group.Processes()
		if err != nil {
			return 0, fmt.Errorf("container %s: %w", e.status.Load().ID, err)
		}
		n += uint64(len(processes))
	}
	return n, nil
}

// parentOf names the cgroup that the containers of a sandbox lie in.
func (c *Controller) parentOf(sb sandbox.Sandbox) string {
	return first(sb.CgroupParent, c.cgroups.PodParent(sb.ID))
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
