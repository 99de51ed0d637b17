// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// prepareImage returns a detached mount of an image's files, or of what the sub
// path names in them. They are put together at the staging place, which is
// free until the root is, and taken away from there.
func prepareImage(m spec.Mount, o options, s *sources) (_ detached, err error) {
	if err := o.onlyAttributes(); err != nil {
		return detached{}, err
	}
	files, n, err := mountRoot(m.Files, s)
	if err != nil {
		return detached{}, fmt.Errorf("files of the image: %w", err)
	}
	defer func() { err = errors.Join(err, leaveStaging(n)) }()
	defer unix.Close(files.fd)
	shown, err := files.open("/" + m.SubPath)
	switch {
	case absent(err):
		return detached{}, spec.Failf(spec.NotFound, "the image has no %s", m.SubPath)
	case errors.Is(err, unix.ELOOP):
		return detached{}, spec.Failf(spec.Invalid, "%s in the image: too many levels of symbolic links", m.SubPath)
	case err != nil:
		return detached{}, fmt.Errorf("%s in the image: %w", m.SubPath, err)
	}
	defer unix.Close(shown)
	dir, err := isDir(shown)
	if err != nil {
		return detached{}, err
	}
	fd, err := unix.OpenTree(shown, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return detached{}, fmt.Errorf("files of the image: %w", err)
	}
	o.attrs |= unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	d := detached{fd, dir}
	if err := d.set(o.attributes(), false); err != nil {
		d.Close()
		return detached{}, fmt.Errorf("files of the image: set attributes: %w", err)
	}
	return d, nil
}

// leaveStaging uncovers the staging place, where n mounts lie on one another.
func leaveStaging(n int) error {
	for range n {
		if err := unix.Unmount(staging, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("staging place: %w", err)
		}
	}
	return nil
}
