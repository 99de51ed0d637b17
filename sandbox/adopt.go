// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
)

// Foreign is a pod that another runtime has made.
type Foreign struct {
	// ID is the other runtime's, 64 hexadecimal digits.
	ID string
	// NetNS is where its network namespace is bound, or a process's entry for it; empty
	// on the node's network.
	NetNS string
	// IPs are its addresses, the primary one first.
	IPs []string
	// CreatedAt is when it was made.
	CreatedAt time.Time
}

// Adopt takes a pod of another runtime's in, so that containers can be made in it; one
// that is adopted already is returned. Stop and Remove end what is Wazelet's of it and
// leave the pod itself to the other runtime.
//
// Errors: errdefs.ErrInvalidArgument; ErrAlreadyExists when the name is that of another
// sandbox; ErrFailedPrecondition when it has been stopped, or its network is gone.
func (c *Controller) Adopt(ctx context.Context, pod Foreign, config Config) (Sandbox, error) {
	config = config.clone()
	if err := config.validate(); err != nil {
		return Sandbox{}, err
	}
	if !isID(pod.ID) {
		return Sandbox{}, fmt.Errorf("sandbox %q: the id is not of 64 hexadecimal digits: %w", pod.ID, errdefs.ErrInvalidArgument)
	}
	m := config.Metadata
	key := fmt.Sprintf("create %q %q %q %d", m.Namespace, m.Name, m.UID, m.Attempt)
	return c.join(ctx, key, m.String(), createTimeout, func(ctx context.Context) (Sandbox, error) {
		return c.adopt(ctx, pod, config)
	})
}

func (c *Controller) adopt(ctx context.Context, pod Foreign, config Config) (Sandbox, error) {
	if sb, ok := c.store.byName(config.Metadata); ok {
		switch {
		case sb.ID != pod.ID:
			return Sandbox{}, fmt.Errorf("sandbox %s: exists as %s, not as %s: %w", config.Metadata, sb.ID, pod.ID, errdefs.ErrAlreadyExists)
		case sb.State != StateReady:
			return Sandbox{}, errNotReady(sb)
		}
		return sb, nil
	}
	sb := Sandbox{ID: pod.ID, Config: config, CreatedAt: pod.CreatedAt, BootID: c.bootID, NetNS: pod.NetNS, IPs: pod.IPs, Adopted: true}
	if config.Network == NetworkPod {
		if path, err := living(pod.NetNS); err != nil || path == "" {
			return Sandbox{}, fmt.Errorf("sandbox %s: its network namespace %q is gone: %w", pod.ID, pod.NetNS, errdefs.ErrFailedPrecondition)
		}
	}
	if err := sb.moveTo(StateCreating); err != nil {
		return Sandbox{}, err
	}
	return c.make(ctx, sb)
}
