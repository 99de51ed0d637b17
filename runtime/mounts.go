// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/device"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// resolveVolumes names each image that is mounted by its id.
func (c *Controller) resolveVolumes(ctx context.Context, mounts []Mount) ([]Mount, error) {
	mounts = slices.Clone(mounts)
	for i, m := range mounts {
		if m.Image == "" {
			continue
		}
		img, err := c.images.Get(ctx, m.Image)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.ContainerPath, err)
		}
		mounts[i].Image, mounts[i].ImageRef = img.ID, first(m.ImageRef, m.Image)
	}
	return mounts, nil
}

// imageVolumes has the images that the container mounts kept with its root, and
// returns what shows their files, by id.
func (c *Controller) imageVolumes(ctx context.Context, n Container) (map[string][]mount.Mount, error) {
	volumes := map[string][]mount.Mount{}
	for _, m := range n.Config.Mounts {
		if m.Image == "" || volumes[m.Image] != nil {
			continue
		}
		files, err := c.images.PrepareVolume(ctx, n.ID, m.Image)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.ContainerPath, err)
		}
		volumes[m.Image] = files
	}
	return volumes, nil
}

// containerMounts adds the sandbox's own files to the mounts asked for, unless
// the pod brings its own in their place, and orders parents before children.
func containerMounts(asked []Mount, shared string, volumes map[string][]mount.Mount, nodes []device.Node) []spec.Mount {
	var mounts []spec.Mount
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		at := "/etc/" + name
		if !slices.ContainsFunc(asked, func(m Mount) bool { return filepath.Clean(m.ContainerPath) == at }) {
			mounts = append(mounts, spec.Mount{Destination: at, Type: spec.MountBind, Source: filepath.Join(shared, name), Propagation: string(PropagationPrivate)})
		}
	}
	for _, m := range asked {
		mounts = append(mounts, workerMount(m, volumes[m.Image]))
	}
	for _, n := range nodes {
		mounts = append(mounts, spec.Mount{Destination: n.ContainerPath, Type: spec.MountDevice, Source: n.HostPath, Access: n.Access})
	}
	slices.SortStableFunc(mounts, func(a, b spec.Mount) int {
		return strings.Count(a.Destination, "/") - strings.Count(b.Destination, "/")
	})
	return mounts
}

// destinations are the places of mounts in their container.
func destinations(mounts []spec.Mount) []string {
	list := make([]string, len(mounts))
	for i, m := range mounts {
		list[i] = m.Destination
	}
	return list
}

// workerMount is one mount as the worker makes it.
func workerMount(m Mount, files []mount.Mount) spec.Mount {
	w := spec.Mount{
		Destination: filepath.Clean(m.ContainerPath), Type: spec.MountBind, Source: m.HostPath, Options: m.Options,
		ReadOnly: m.ReadOnly, RecursiveReadOnly: m.RecursiveReadOnly,
		Propagation: string(m.Propagation), MapIDs: len(m.UIDs) > 0,
	}
	if m.Image != "" {
		w.Type, w.Files, w.SubPath = spec.MountImage, fileSystem(files), m.ImageSubPath
	}
	return w
}

// fileSystem is what a snapshotter gives, in the worker's terms.
func fileSystem(mounts []mount.Mount) []spec.Mount {
	var list []spec.Mount
	for _, m := range mounts {
		list = append(list, spec.Mount{Destination: "/", Type: m.Type, Source: m.Source, Options: m.Options})
	}
	return list
}

// devices finds what the container's devices are and change.
func (c *Controller) devices(config Config) (device.Edits, error) {
	edits, err := c.cdi.Edits(config.CDIDevices)
	if err != nil {
		return edits, err
	}
	for _, d := range config.Devices {
		nodes, err := device.Nodes(d.HostPath, d.ContainerPath, d.Permissions)
		if err != nil {
			return edits, err
		}
		if edits.Nodes = append(edits.Nodes, nodes...); len(edits.Nodes) > device.MaxNodes {
			return edits, fmt.Errorf("more than %d devices: %w", device.MaxNodes, errdefs.ErrInvalidArgument)
		}
	}
	return edits, nil
}

// deviceMounts are the mounts that devices bring along.
func deviceMounts(edits device.Edits) []Mount {
	var mounts []Mount
	for _, m := range edits.Mounts {
		propagation := PropagationPrivate
		if m.Slave {
			propagation = PropagationSlave
		}
		mounts = append(mounts, Mount{
			ContainerPath: m.ContainerPath, HostPath: m.HostPath, ReadOnly: m.ReadOnly, RecursiveReadOnly: m.Recursive,
			Propagation: propagation, Options: m.Options,
		})
	}
	return mounts
}

// requirePropagation refuses a mount that is to show later mounts of the node
// and lies where none can be seen.
func requirePropagation(mounts []Mount) error {
	for _, m := range mounts {
		if m.Propagation != PropagationSlave || m.Image != "" {
			continue
		}
		if err := receives(m.HostPath); err != nil {
			return fmt.Errorf("mount %s: %w", m.ContainerPath, err)
		}
	}
	return nil
}

// receives finds out whether the mount that path lies on passes on what is
// mounted below it later (mount_namespaces(7)). An absent path is for the
// worker to report.
func receives(path string) error {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	at, err := mountinfo.GetMounts(func(info *mountinfo.Info) (skip, stop bool) {
		found := uint64(info.ID) == st.Mnt_id
		return !found, found
	})
	if err != nil || len(at) != 1 {
		return fmt.Errorf("path %s: its mount is not found: %w", path, errors.Join(err, errdefs.ErrUnavailable))
	}
	for field := range strings.FieldsSeq(at[0].Optional) {
		if strings.HasPrefix(field, "shared:") || strings.HasPrefix(field, "master:") {
			return nil
		}
	}
	return fmt.Errorf("path %s is mounted on %s but it is not a shared or slave mount: %w", path, at[0].Mountpoint, errdefs.ErrFailedPrecondition)
}
