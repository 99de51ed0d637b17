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
)

// Stats is what a container uses now.
type Stats struct {
	cgroup.Stats
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
	return s, nil
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
