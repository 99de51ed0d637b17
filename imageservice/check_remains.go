// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/imageservice/content"
)

// roots looks for what the roots of containers are made of. Nothing can be done about one that lacks something but to
// make its container anew.
func (c *check) roots(ctx context.Context) error {
	ids, err := c.Roots(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := c.trees.CheckRoot(content.Context(ctx), id)
		if err != nil && !errdefs.IsNotFound(err) { // removed in the meantime
			c.found(Finding{Object: "container " + id, Cause: err.Error() + "; its pod must be made anew"})
		}
	}
	return nil
}

// names looks for names in the store that no image has.
func (c *check) names(ctx context.Context) error {
	c.naming.Lock()
	defer c.naming.Unlock()
	names, err := c.content.Names(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := c.index.find(name.Labels[labelID]); name.Labels[labelID] != "" && !errors.Is(err, errAbsent) {
			continue
		}
		f := Finding{Object: "name " + name.Name, Cause: "no image has it", Remains: true}
		if c.repair {
			if err := c.content.RemoveNames(ctx, name.Name); err != nil {
				return err
			}
			f.Repaired = true
		}
		c.found(f)
	}
	return nil
}

// leases looks for leases that no pull of this process holds.
func (c *check) leases(ctx context.Context) error {
	stale, err := c.content.StaleLeases(ctx, c.repair)
	for _, id := range stale {
		c.found(Finding{Object: "lease " + id, Cause: "no pull holds it", Remains: true, Repaired: c.repair})
	}
	return err
}

// orphans looks for files of blobs that the store does not know.
func (c *check) orphans(ctx context.Context) error {
	orphans, err := c.content.Orphans(ctx, c.repair)
	for _, orphan := range orphans {
		c.found(Finding{Object: fmt.Sprintf("blob %s", orphan), Cause: "the store has no record of it", Remains: true, Repaired: c.repair})
	}
	if err != nil || !c.repair {
		return err
	}
	return c.collect(ctx) // what the names and leases held
}

// drop notes an image that was found damaged when the store was opened, for the first check.
func (s *Service) drop(id string, cause error) {
	s.dropped = append(s.dropped, Finding{Object: "image " + id, Cause: cause.Error() + "; it was removed when the store was opened", Repaired: true})
}

// takeDropped returns what was found when the store was opened, once.
func (s *Service) takeDropped() []Finding {
	s.naming.Lock()
	defer s.naming.Unlock()
	dropped := s.dropped
	s.dropped = nil
	return dropped
}
