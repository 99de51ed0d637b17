// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sync/errgroup"

	"github.com/wazelet/wazelet/record"
	"github.com/wazelet/wazelet/sandbox/netns"
)

const (
	// rollBackTimeout bounds what recovery spends on one sandbox; the kubelet
	// waits 30 s for a runtime before it worries.
	rollBackTimeout = 20 * time.Second
	// rollBacks is how many are taken back at once.
	rollBacks = 8
)

// Recover finds the sandboxes of before: it reads the records, takes back what
// was half made, tells a reboot, and clears away what has no record. It is
// called once, before anything is served. Trouble with one sandbox is logged
// and does not keep the others; the error is that there are no records to read.
func (c *Controller) Recover(ctx context.Context) error {
	records, bad, err := c.records.Load()
	if err != nil {
		return fmt.Errorf("sandboxes: %w", err)
	}
	known := map[string]bool{} // or not ours to touch
	var suspects []string
	for _, b := range bad {
		id := strings.TrimSuffix(filepath.Base(b.File), filepath.Ext(b.File))
		known[id] = errors.Is(b.Err, record.ErrNewerVersion)
		suspects = append(suspects, id)
		log.G(ctx).WithError(b.Err).WithField("file", b.File).Error("sandbox record cannot be read")
	}
	var work errgroup.Group
	work.SetLimit(rollBacks)
	for id, sb := range records {
		known[id] = true
		work.Go(func() error { c.recoverOne(ctx, sb); return nil })
	}
	for id := range c.traces(ctx, suspects) {
		if !known[id] {
			work.Go(func() error { c.sweep(ctx, id); return nil })
		}
	}
	return work.Wait()
}

func (c *Controller) recoverOne(ctx context.Context, sb Sandbox) {
	ctx, cancel := context.WithTimeout(ctx, rollBackTimeout)
	defer cancel()
	logger := log.G(ctx).WithField("sandbox_id", sb.ID)
	switch sb.State {
	case StateCreating:
		if err := c.takeBack(ctx, sb); err != nil {
			logger.WithError(errors.Join(err, c.abandon(sb))).Warn("half-made sandbox stays")
			return
		}
		logger.Info("half-made sandbox taken back")
	case StateReady:
		reason, err := c.lost(sb)
		if err == nil && reason == "" {
			c.store.publish(sb)
			return
		}
		if err = errors.Join(err, sb.moveTo(StateNotReady), c.records.Put(sb.ID, sb)); err != nil {
			logger = logger.WithError(err)
		}
		c.store.publish(sb)
		c.changed(sb)
		logger.WithField("reason", reason).Warn("sandbox is not ready any more")
	default:
		sb.State = StateNotReady
		c.store.publish(sb)
	}
}

// takeBack removes all that a half-made sandbox may have.
func (c *Controller) takeBack(ctx context.Context, sb Sandbox) error {
	if err := c.disconnect(ctx, sb); err != nil {
		return err
	}
	return c.clear(sb)
}

// lost says what a ready sandbox has lost since it was recorded.
func (c *Controller) lost(sb Sandbox) (string, error) {
	if sb.BootID != c.bootID {
		return "the node was rebooted", nil
	}
	if _, err := os.Stat(c.Dir(sb.ID)); err != nil {
		return "its directory is gone", nil
	}
	if sb.Network == NetworkNode {
		return "", nil
	}
	path, err := living(sb.NetNS)
	if err != nil || path == "" {
		return "its network namespace is gone", err
	}
	return "", nil
}

// traces collects the ids of all that may be there of any sandbox.
func (c *Controller) traces(ctx context.Context, suspects []string) map[string]bool {
	for _, dir := range []string{"netns", "sandboxes"} {
		entries, err := os.ReadDir(filepath.Join(c.state, dir))
		if err != nil {
			log.G(ctx).WithError(err).Warn("left-overs of sandboxes not looked for")
		}
		for _, e := range entries {
			suspects = append(suspects, e.Name())
		}
	}
	attached, err := c.network.Attached()
	if err != nil {
		log.G(ctx).WithError(err).Warn("left-overs of sandboxes not looked for")
	}
	ids := map[string]bool{}
	for _, id := range append(suspects, attached...) {
		if isID(id) {
			ids[id] = true
		}
	}
	return ids
}

// sweep removes what is there of a sandbox that has no record, as after the
// record was damaged.
func (c *Controller) sweep(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, rollBackTimeout)
	defer cancel()
	path, err := living(c.netnsPath(id))
	err = errors.Join(err, c.network.DetachUnknown(ctx, id, path), netns.Remove(c.netnsPath(id)),
		os.RemoveAll(c.Dir(id)), c.cgroups.RemovePodParent(id))
	logger := log.G(ctx).WithField("sandbox_id", id)
	if err != nil {
		logger.WithError(err).Warn("left-overs of a sandbox without a record stay")
		return
	}
	logger.Info("left-overs of a sandbox without a record removed")
}
