// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/sandbox/netns"
)

// Stop makes a sandbox not ready and takes its network away. One that is
// stopped stays so; it is errdefs.ErrNotFound when there is none. After an
// error the rest is done by calling it again.
func (c *Controller) Stop(ctx context.Context, id string) error {
	e, sb, err := c.store.find(id)
	if err != nil {
		return err
	}
	_, err = c.join(ctx, "stop "+sb.ID, sb.ID, removeTimeout, func(ctx context.Context) (Sandbox, error) {
		return c.exclusive(ctx, e, c.stop)
	})
	return err
}

// Remove stops a sandbox if need be and removes all of it. One that is absent
// is no error. The containers in it must be gone.
func (c *Controller) Remove(ctx context.Context, id string) error {
	e, sb, err := c.store.find(id)
	if errdefs.IsNotFound(err) {
		return nil
	} else if err != nil {
		return err
	}
	_, err = c.join(ctx, "remove "+sb.ID, sb.ID, removeTimeout, func(ctx context.Context) (Sandbox, error) {
		return c.exclusive(ctx, e, c.remove)
	})
	return err
}

// exclusive runs one operation at a time on a sandbox, on what it is then.
func (c *Controller) exclusive(ctx context.Context, e *entry, op func(context.Context, Sandbox) (Sandbox, error)) (Sandbox, error) {
	if err := e.lock(ctx); err != nil {
		return Sandbox{}, err
	}
	defer e.unlock()
	sb := *e.current.Load()
	if sb.State == stateNone { // removed while we waited
		return sb, nil
	}
	sb, err := op(ctx, sb)
	if err != nil {
		return sb, fmt.Errorf("sandbox %s: %w", sb.ID, err)
	}
	return sb, nil
}

func (c *Controller) stop(ctx context.Context, sb Sandbox) (Sandbox, error) {
	if sb.State == StateReady {
		if err := sb.moveTo(StateNotReady); err != nil {
			return sb, err
		}
		c.amend(ctx, sb)
		c.changed(sb)
	}
	if sb.NetNS == "" {
		return sb, nil
	}
	if err := c.disconnect(ctx, sb); err != nil {
		return sb, err
	}
	// The addresses may be another pod's from now on.
	sb.Attachment, sb.NetNS, sb.IPs, sb.CNI = nil, "", nil, nil
	c.amend(ctx, sb)
	return sb, nil
}

func (c *Controller) remove(ctx context.Context, sb Sandbox) (Sandbox, error) {
	sb, err := c.stop(ctx, sb)
	if err != nil {
		return sb, err
	}
	if err := c.clear(sb); err != nil {
		return sb, err
	}
	gone := sb
	if err := gone.moveTo(stateNone); err != nil {
		return sb, err
	}
	c.store.remove(gone)
	c.changed(gone)
	return gone, nil
}

// amend shows what a sandbox is on its way down, and writes it down if that can be: on
// a full disk pods must end, which makes room. A later daemon sees what is gone, and
// does again what it cannot see.
func (c *Controller) amend(ctx context.Context, sb Sandbox) {
	if err := c.records.Put(sb.ID, sb); err != nil {
		log.G(ctx).WithError(err).WithField("sandbox_id", sb.ID).Warn("what has ended is not in the sandbox's record")
	}
	c.store.publish(sb)
}

// disconnect takes a sandbox's network away. That of an adopted one stays.
func (c *Controller) disconnect(ctx context.Context, sb Sandbox) error {
	if sb.Adopted || sb.NetNS == "" {
		return nil
	}
	if err := c.detach(ctx, sb); err != nil {
		return err
	}
	return netns.Remove(sb.NetNS)
}

// detach takes a sandbox off the network, also one whose namespace is gone.
func (c *Controller) detach(ctx context.Context, sb Sandbox) error {
	if sb.Attachment == nil {
		return nil
	}
	path, err := living(sb.NetNS)
	if err != nil {
		return err
	}
	return c.network.Detach(ctx, sb.ID, path, sb.Attachment)
}

// living returns the path of a network namespace, or "" when it is gone.
func living(path string) (string, error) {
	if ok, err := netns.Exists(path); err != nil || !ok {
		return "", err
	}
	return path, nil
}

// clear removes what a sandbox without network still has, the record last.
func (c *Controller) clear(sb Sandbox) error {
	if err := os.RemoveAll(c.Dir(sb.ID)); err != nil {
		return err
	}
	if sb.CgroupParent == "" {
		if err := c.cgroups.RemovePodParent(sb.ID); err != nil {
			return err
		}
	}
	return c.records.Remove(sb.ID)
}
