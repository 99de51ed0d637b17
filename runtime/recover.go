// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// Recover brings the records of the daemon before in line with what the kernel
// has: live workers are watched again, ended ones get their exit, half-made and
// half-removed ones are taken back, and what has no record is removed. It runs
// once, after the sandboxes' own recovery and before any call is served. What
// cannot be mended costs only the container it concerns.
func (c *Controller) Recover(ctx context.Context) error {
	if err := c.store.load(); err != nil {
		log.G(ctx).WithError(err).Error("container records set aside")
	}
	for _, e := range c.store.all() {
		id := e.container().ID
		if err := c.recoverEntry(ctx, e); err != nil {
			log.G(ctx).WithError(err).WithField("container_id", id).Error("container not recovered whole")
		}
	}
	return c.removeOrphans(ctx)
}

// recoverEntry finds one container's worker again, or its end.
func (c *Controller) recoverEntry(ctx context.Context, e *entry) error {
	n := e.container()
	group, err := c.cgroups.Load(n.CgroupParent, n.ID)
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	e.group = group
	switch n.State {
	case StateCreating, StateRemoving:
		return c.takeBack(ctx, e)
	case StateExited:
		close(e.exited)
		return nil
	}
	process, err := c.adopt(n)
	if err != nil {
		c.recordExit(ctx, e, launch.Status{})
		return nil
	}
	e.process = process
	c.watchers.Go(func() { c.watch(context.WithoutCancel(ctx), e) })
	if n.State == StateStarting {
		return c.openGate(ctx, e)
	}
	return nil
}

// adopt takes up a worker of an earlier daemon. A worker of an earlier boot is
// gone, whoever has its pid now.
func (c *Controller) adopt(n Container) (*launch.Process, error) {
	if n.BootID != c.bootID {
		return nil, fmt.Errorf("container %s: the node has rebooted: %w", n.ID, errdefs.ErrNotFound)
	}
	return launch.Adopt(n.Pid, n.PidStart)
}

// removeOrphans removes roots and state directories that no record names.
func (c *Controller) removeOrphans(ctx context.Context) error {
	roots, err := c.images.Roots(ctx)
	if err != nil {
		return fmt.Errorf("root file systems: %w", err)
	}
	var left []error
	for _, id := range roots {
		if _, err := c.store.get(id); errdefs.IsNotFound(err) {
			left = append(left, c.images.RemoveRoot(ctx, id))
		}
	}
	dirs, err := os.ReadDir(filepath.Join(c.state, "containers"))
	if err != nil {
		return fmt.Errorf("state directories: %w", err)
	}
	for _, d := range dirs {
		if _, err := c.store.get(d.Name()); errdefs.IsNotFound(err) {
			left = append(left, os.RemoveAll(c.dir(d.Name())))
		}
	}
	if err := errors.Join(left...); err != nil {
		log.G(ctx).WithError(err).Warn("remains of unknown containers stay")
	}
	return nil
}
