// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"

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
	c.removeStranded(ctx)
	c.events.endRecovery()
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
	c.calls.adopt(e, c.callsFile(n.ID))
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
