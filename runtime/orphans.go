// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
)

// parentFile says, in a container's state directory, which cgroup the
// container's own lies in: a worker whose record is lost is found by it.
const parentFile = "cgroup-parent"

// removeStranded removes containers whose sandbox is gone: its record was lost,
// and nobody will ask for them again.
func (c *Controller) removeStranded(ctx context.Context) {
	for _, e := range c.store.all() {
		n := e.container()
		if _, err := c.sandboxes.Get(n.SandboxID); !errdefs.IsNotFound(err) {
			continue
		}
		logger := log.G(ctx).WithFields(log.Fields{"container_id": n.ID, "sandbox_id": n.SandboxID})
		if err := c.removeEntry(ctx, e); err != nil {
			logger.WithError(err).Error("container of an unknown sandbox stays")
			continue
		}
		if err := c.cgroups.RemovePodParent(n.SandboxID); err != nil && !errdefs.IsFailedPrecondition(err) {
			logger.WithError(err).Warn("cgroup of an unknown sandbox stays")
		}
		logger.Warn("container of an unknown sandbox removed")
	}
}

// removeOrphans ends and removes what belongs to containers that have no
// record: workers with their cgroups, roots and state directories.
func (c *Controller) removeOrphans(ctx context.Context) error {
	dirs, err := os.ReadDir(filepath.Join(c.state, "containers"))
	if err != nil {
		return fmt.Errorf("state directories: %w", err)
	}
	var left []error
	for _, d := range dirs {
		if _, err := c.store.get(d.Name()); !errdefs.IsNotFound(err) {
			continue
		}
		if err := c.endOrphan(ctx, d.Name()); err != nil {
			left = append(left, err) // and its directory stays, for the next start
			continue
		}
		left = append(left, os.RemoveAll(c.dir(d.Name())))
	}
	roots, err := c.images.Roots(ctx)
	if err != nil {
		return fmt.Errorf("root file systems: %w", err)
	}
	for _, id := range roots {
		if _, err := c.store.get(id); errdefs.IsNotFound(err) {
			left = append(left, c.images.RemoveRoot(ctx, id))
		}
	}
	if err := errors.Join(left...); err != nil {
		log.G(ctx).WithError(err).Warn("remains of unknown containers stay")
	}
	return nil
}

// endOrphan kills the worker of a container without a record, if there is one.
func (c *Controller) endOrphan(ctx context.Context, id string) error {
	parent, err := os.ReadFile(filepath.Join(c.dir(id), parentFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil // its cgroup was not made yet
	}
	if err != nil {
		return fmt.Errorf("container %s: %w", id, err)
	}
	group, err := c.cgroups.Load(strings.TrimSpace(string(parent)), id)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("container %s: %w", id, err)
	}
	log.G(ctx).WithField("container_id", id).Warn("worker of a container without a record is ended")
	if err := group.End(ctx); err != nil {
		return fmt.Errorf("container %s: %w", id, err)
	}
	return nil
}
