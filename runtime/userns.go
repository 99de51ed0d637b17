// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/lsm"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/sandbox"
)

// checkTimeout bounds the trial of CheckUserNS, which takes milliseconds.
const checkTimeout = 10 * time.Second

// CheckUserNS finds out by trying whether pods can have user namespaces: whether
// the kernel, and the file system of the durable directory root, map ids for them.
// The error is errdefs.ErrFailedPrecondition and says why not.
func CheckUserNS(ctx context.Context, workerPath, root string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := launch.CheckUserNS(ctx, workerPath, root)
	if err != nil && !errdefs.IsFailedPrecondition(err) {
		err = fmt.Errorf("%w: %w", err, errdefs.ErrFailedPrecondition)
	}
	return err
}

// userNS is the user namespace the pod's workers are born in, nil for the host's.
func userNS(sb sandbox.Sandbox) *launch.UserNS {
	if len(sb.NamespaceOptions.UIDs) == 0 {
		return nil
	}
	convert := func(list []sandbox.IDMap) (maps []launch.IDMap) {
		for _, m := range list {
			maps = append(maps, launch.IDMap(m))
		}
		return maps
	}
	return &launch.UserNS{UIDs: convert(sb.NamespaceOptions.UIDs), GIDs: convert(sb.NamespaceOptions.GIDs)}
}

// checkIDs refuses ids that the pod's user namespace does not have, and mounts
// with another mapping than the pod's: a mount's is that of a namespace.
func checkIDs(sb sandbox.Sandbox, n Container) error {
	o := sb.NamespaceOptions
	for _, m := range n.Config.Mounts {
		if len(m.UIDs) > 0 && (!slices.Equal(m.UIDs, o.UIDs) || !slices.Equal(m.GIDs, o.GIDs)) {
			return fmt.Errorf("mount %s: its mapping of ids is not the pod's: %w", m.ContainerPath, errdefs.ErrInvalidArgument)
		}
	}
	if len(o.UIDs) == 0 {
		return nil
	}
	if n.Config.SELinux != (lsm.Labels{}) {
		return fmt.Errorf("SELinux label %s: cannot be had together with a user namespace (hostUsers: false): %w",
			n.Config.SELinux.Process, errdefs.ErrFailedPrecondition)
	}
	if !mapped(o.UIDs, n.UID) {
		return fmt.Errorf("user %d: the pod's user namespace (hostUsers: false) has no such id: %w", n.UID, errdefs.ErrInvalidArgument)
	}
	for _, g := range n.Groups {
		if !mapped(o.GIDs, g) {
			return fmt.Errorf("group %d: the pod's user namespace (hostUsers: false) has no such id: %w", g, errdefs.ErrInvalidArgument)
		}
	}
	return nil
}

func mapped(list []sandbox.IDMap, id uint32) bool {
	return slices.ContainsFunc(list, func(m sandbox.IDMap) bool { return id >= m.Container && id-m.Container < m.Size })
}
