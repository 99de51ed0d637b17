// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"slices"

	"github.com/wazelet/wazelet/imageservice"
)

// resolveUser finds the ids a container runs with, asking the image's
// /etc/passwd and /etc/group where a name is given.
func (c *Controller) resolveUser(ctx context.Context, img imageservice.Image, u User) (uid, gid uint32, groups []uint32, err error) {
	name := first(u.Name, img.User, "0")
	if u.UID != nil {
		name = fmt.Sprint(*u.UID)
	}
	uid, gid, member, err := c.images.LookupUser(ctx, img, name)
	if err != nil {
		return 0, 0, nil, err
	}
	if u.GID != nil {
		gid = uint32(*u.GID)
	}
	return uid, gid, u.groupsOf(gid, member), nil
}

// groupsOf are the groups of a process: its own one first, as other runtimes
// have it, then those it is a member of by the image unless the pod wants only
// what it says itself, then the pod's. Each is there once.
func (u User) groupsOf(gid uint32, member []uint32) []uint32 {
	all := []uint32{gid}
	if !u.StrictGroups {
		all = append(all, member...)
	}
	for _, g := range u.Groups {
		all = append(all, uint32(g))
	}
	seen := make(map[uint32]bool, len(all))
	return slices.DeleteFunc(all, func(g uint32) bool {
		again := seen[g]
		seen[g] = true
		return again
	})
}
