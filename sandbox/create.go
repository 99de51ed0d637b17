// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/record"
	"github.com/wazelet/wazelet/sandbox/netns"
	"github.com/wazelet/wazelet/sandbox/network"
	"github.com/wazelet/wazelet/undo"
)

// Create makes a sandbox, or returns the one that an earlier call with the same
// metadata made or is making. It fails whole: nothing of a failed sandbox
// stays, unless it could not be taken back; then it is listed as not ready, for
// its caller to remove.
//
// Errors: errdefs.ErrInvalidArgument; ErrAlreadyExists when the name stands for
// a stopped or a different sandbox; the context's when the caller gives up,
// while the work goes on; the network's own.
func (c *Controller) Create(ctx context.Context, config Config) (Sandbox, error) {
	config = config.clone()
	if err := config.validate(); err != nil {
		return Sandbox{}, err
	}
	if config.Hostname == "" {
		node, err := os.Hostname()
		if err != nil {
			return Sandbox{}, fmt.Errorf("sandbox %s: %w", config.Metadata, err)
		}
		config.Hostname = node
	}
	m := config.Metadata
	key := fmt.Sprintf("create %q %q %q %d", m.Namespace, m.Name, m.UID, m.Attempt)
	sb, err := c.join(ctx, key, m.String(), createTimeout, func(ctx context.Context) (Sandbox, error) {
		return c.create(ctx, config)
	})
	if err == nil && !sameSandbox(config, sb.Config) {
		err = fmt.Errorf("sandbox %s: exists as %s, made from another configuration: %w", config.Metadata, sb.ID, errdefs.ErrAlreadyExists)
	}
	if err != nil {
		return Sandbox{}, err
	}
	return sb, nil
}

func (c *Controller) create(ctx context.Context, config Config) (Sandbox, error) {
	if sb, ok := c.store.byName(config.Metadata); ok {
		if sb.State == StateReady {
			return sb, nil
		}
		return Sandbox{}, fmt.Errorf("sandbox %s: exists as %s and is stopped: remove it first: %w", config.Metadata, sb.ID, errdefs.ErrAlreadyExists)
	}
	sb, err := c.plan(config)
	if err != nil {
		return Sandbox{}, fmt.Errorf("sandbox %s: %w", config.Metadata, err)
	}
	return c.make(ctx, sb)
}

// make brings a planned sandbox into being, recorded first.
func (c *Controller) make(ctx context.Context, sb Sandbox) (Sandbox, error) {
	var made undo.Stack
	if err := c.records.Put(sb.ID, sb); err != nil {
		return Sandbox{}, fmt.Errorf("sandbox %s: %w", sb.Metadata, err)
	}
	ready, err := c.build(ctx, sb, &made)
	if err != nil {
		return Sandbox{}, fmt.Errorf("sandbox %s: %w", sb.Metadata, errors.Join(err, c.rollBack(ctx, sb, &made)))
	}
	c.store.publish(ready)
	c.changed(ready)
	return ready, nil
}

// plan is the sandbox as it will be, so far as that is known beforehand: the
// record of it says what may have to be taken back.
func (c *Controller) plan(config Config) (Sandbox, error) {
	sb := Sandbox{ID: record.NewID(), Config: config, CreatedAt: time.Now(), BootID: c.bootID}
	if err := sb.moveTo(StateCreating); err != nil || config.Network == NetworkNode {
		return sb, err
	}
	parent := config.CgroupParent
	if parent == "" {
		parent = c.cgroups.PodParent(sb.ID)
	}
	var err error
	sb.NetNS = c.netnsPath(sb.ID)
	sb.Attachment, err = c.network.Plan(sb.ID, network.Request{
		Namespace: config.Namespace, Name: config.Name, UID: config.UID, Annotations: config.Annotations,
		PortMappings: config.PortMappings, DNS: config.DNS, CgroupParent: parent,
	})
	return sb, err
}

// build makes all of a sandbox and returns it ready and recorded.
func (c *Controller) build(ctx context.Context, sb Sandbox, made *undo.Stack) (Sandbox, error) {
	if sb.CgroupParent == "" {
		made.Push("cgroup", func(context.Context) error { return c.cgroups.RemovePodParent(sb.ID) })
		if err := c.cgroups.CreatePodParent(sb.ID); err != nil {
			return sb, err
		}
	}
	dir := c.Dir(sb.ID)
	made.Push("directory", func(context.Context) error { return os.RemoveAll(dir) })
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return sb, err
	}
	if err := trySysctls(sb.Sysctls); err != nil {
		return sb, err
	}
	if sb.Network == NetworkPod && !sb.Adopted {
		if err := c.connect(ctx, &sb, made); err != nil {
			return sb, err
		}
	} else {
		c.tellBegun(ctx, sb, made)
	}
	if err := observe.Do(ctx, observe.StepFiles, func(context.Context) error { return c.writeFiles(sb) }); err != nil {
		return sb, err
	}
	if err := context.Cause(ctx); err != nil { // too late: nobody waits for it any more
		return sb, err
	}
	if err := sb.moveTo(StateReady); err != nil {
		return sb, err
	}
	return sb, c.records.Put(sb.ID, sb)
}

// tellBegun tells whoever wants to do something beside the rest.
func (c *Controller) tellBegun(ctx context.Context, sb Sandbox, made *undo.Stack) {
	if undo := c.begun(ctx, sb); undo != nil {
		made.Push("what was begun with it", undo)
	}
}

// connect gives the sandbox its network.
func (c *Controller) connect(ctx context.Context, sb *Sandbox, made *undo.Stack) error {
	made.Push("network namespace", func(context.Context) error { return netns.Remove(sb.NetNS) })
	if err := observe.Do(ctx, observe.StepNetNS, func(context.Context) error { return netns.Create(sb.NetNS) }); err != nil {
		return err
	}
	c.tellBegun(ctx, *sb, made)
	planned, attached := *sb, true
	made.Push("network", func(ctx context.Context) error {
		if !attached { // nor is a turn of the plugins' to be waited for again
			return nil
		}
		return c.detach(ctx, planned)
	})
	// The address will outlive a lost power supply, and so must what says whose it is.
	if err := c.records.Sync(); err != nil {
		return err
	}
	result, err := c.network.Attach(ctx, sb.ID, sb.NetNS, sb.Attachment)
	if err != nil {
		attached = !errors.Is(err, network.ErrNotBegun)
		return err
	}
	sb.IPs, sb.CNI = result.IPs, result.CNI
	// After the plugins, so that the sysctls of the pod's device can be set.
	return applySysctls(sb.NetNS, sb.Sysctls)
}

// rollBack takes a half-made sandbox back. If it cannot, the sandbox is shown
// as not ready: its caller will remove it, and so try again.
func (c *Controller) rollBack(ctx context.Context, sb Sandbox, made *undo.Stack) error {
	left := made.Run(ctx)
	if left == nil {
		if left = c.records.Remove(sb.ID); left == nil {
			return nil
		}
	}
	log.G(ctx).WithError(left).WithField("sandbox_id", sb.ID).Warn("half-made sandbox stays")
	return errors.Join(left, c.abandon(sb))
}

// abandon turns a sandbox that could not be rolled back over to its caller.
func (c *Controller) abandon(sb Sandbox) error {
	if err := sb.moveTo(StateNotReady); err != nil {
		return err
	}
	c.store.publish(sb)
	return c.records.Put(sb.ID, sb)
}
