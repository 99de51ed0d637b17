// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"cmp"
	"context"
	"fmt"
)

// UpdateResources writes down what a pod needs since it was resized; nil in r
// leaves what was said before. It is errdefs.ErrNotFound when there is no such
// sandbox.
func (c *Controller) UpdateResources(ctx context.Context, id string, r Resources) error {
	e, _, err := c.store.find(id)
	if err != nil {
		return err
	}
	if !c.begin() {
		return fmt.Errorf("sandbox %s: %w", id, errShutdown)
	}
	defer c.running.Done()
	_, err = c.exclusive(ctx, e, func(_ context.Context, sb Sandbox) (Sandbox, error) {
		before := Resources{Overhead: sb.Overhead, Resources: sb.Resources}
		if sb.Resized != nil {
			before = *sb.Resized
		}
		sb.Resized = &Resources{
			Overhead:  cmp.Or(r.Overhead, before.Overhead),
			Resources: cmp.Or(r.Resources, before.Resources),
		}
		if err := c.records.Put(sb.ID, sb); err != nil {
			return sb, err
		}
		c.store.publish(sb)
		return sb, nil
	})
	return err
}
