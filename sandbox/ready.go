// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
)

// Ready returns a sandbox that is ready, found as [Controller.Get] finds it, and
// a context that ends once it is so no more: whoever opens something in the
// sandbox closes it then, because an open socket would keep the network
// namespace. It is errdefs.ErrNotFound when there is none or it is still being
// created, and errdefs.ErrFailedPrecondition, as is the context's cause, when it
// has been stopped.
func (c *Controller) Ready(id string) (Sandbox, context.Context, error) {
	e, sb, err := c.store.find(id)
	if err != nil {
		return Sandbox{}, nil, err
	}
	switch sb.State {
	case StateReady:
		return sb, e.ready, nil
	case StateCreating:
		return Sandbox{}, nil, fmt.Errorf("sandbox %s: is still being created: %w", sb.ID, errdefs.ErrNotFound)
	default:
		return Sandbox{}, nil, errNotReady(sb)
	}
}

func errNotReady(sb Sandbox) error {
	return fmt.Errorf("sandbox %s: has been stopped: %w", sb.ID, errdefs.ErrFailedPrecondition)
}
