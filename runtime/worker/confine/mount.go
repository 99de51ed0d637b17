// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// detached is a mount that is attached nowhere yet, by its descriptor.
type detached struct {
	fd  int
	dir bool
}

func (d detached) Close() { unix.Close(d.fd) }

// cloneBind returns a detached copy of what is mounted at and below source,
// following links.
func cloneBind(source string) (detached, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, source,
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return detached{}, err
	}
	dir, err := isDir(fd)
	if err != nil {
		unix.Close(fd)
		return detached{}, err
	}
	return detached{fd, dir}, nil
}

// newMount returns a detached mount of a new file system.
func newMount(fsType, source string, o options) (detached, error) {
	fsfd, err := unix.Fsopen(fsType, unix.FSOPEN_CLOEXEC)
	if err == unix.ENODEV {
		return detached{}, spec.Failf(spec.FailedPrecondition, "file system %s: this kernel has none", fsType)
	}
	if err != nil {
		return detached{}, fmt.Errorf("file system %s: %w", fsType, err)
	}
	defer unix.Close(fsfd)
	if source != "" {
		if err := unix.FsconfigSetString(fsfd, "source", source); err != nil {
			return detached{}, fsError(fsfd, fsType, err)
		}
	}
	for _, s := range o.data {
		if key, value, ok := strings.Cut(s, "="); ok {
			err = unix.FsconfigSetString(fsfd, key, value)
		} else {
			err = unix.FsconfigSetFlag(fsfd, s)
		}
		if err != nil {
			return detached{}, spec.Failf(spec.Invalid, "%w", fsError(fsfd, fsType+" option "+s, err))
		}
	}
	if o.label != "" {
		if err := unix.FsconfigSetString(fsfd, "context", o.label); err != nil {
			return detached{}, spec.Failf(spec.FailedPrecondition, "%w", fsError(fsfd, fsType+" with the SELinux label "+o.label, err))
		}
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return detached{}, fsError(fsfd, fsType, err)
	}
	fd, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, int(o.attrs))
	if err != nil {
		return detached{}, fsError(fsfd, fsType, err)
	}
	return detached{fd, true}, nil
}

// fsError adds what the kernel says about the fault, if it says anything: each
// read of the context's descriptor is one message, "e text" (fsopen(2)).
func fsError(fsfd int, object string, err error) error {
	buf := make([]byte, 512)
	if n, readErr := unix.Read(fsfd, buf); readErr == nil && n > 2 {
		return fmt.Errorf("%s: %s: %w", object, strings.TrimSpace(string(buf[2:n])), err)
	}
	return fmt.Errorf("%s: %w", object, err)
}

// set changes attributes of the mount, and of all below it when recursive.
// What is set on a mount of another user namespace stays set: nothing is ever
// cleared, but for the one of the atime attributes that another replaces.
func (d detached) set(attr unix.MountAttr, recursive bool) error {
	at := uint(unix.AT_EMPTY_PATH)
	if recursive {
		at |= unix.AT_RECURSIVE
	}
	return unix.MountSetattr(d.fd, "", at, &attr)
}

// attach puts the mount on target, an O_PATH descriptor.
func (d detached) attach(target int) error {
	return unix.MoveMount(d.fd, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// attachAt puts the mount at a path of the tree and makes the mount point if
// there is none.
func (d detached) attachAt(t tree, name string) error {
	target, err := t.ensure(name, d.dir)
	switch {
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.EROFS):
		// What the image or a read-only volume has there, not a fault.
		return spec.Failf(spec.Invalid, "the mount point cannot be made: %w", err)
	case err != nil:
		return fmt.Errorf("mount point: %w", err)
	}
	defer unix.Close(target)
	dir, err := isDir(target)
	if err != nil {
		return err
	}
	if dir != d.dir {
		return spec.Failf(spec.Invalid, "the source is %s, the mount point in the image is %s", kind(d.dir), kind(dir))
	}
	return d.attach(target)
}

func kind(dir bool) string {
	if dir {
		return "a directory"
	}
	return "a file"
}

// prepareMount returns the detached mount that m describes.
func prepareMount(m spec.Mount, s *sources) (detached, error) {
	o := parseOptions(m.Options)
	if m.ReadOnly || m.RecursiveReadOnly {
		o.attrs |= unix.MOUNT_ATTR_RDONLY
	}
	switch m.Type {
	case spec.MountBind:
		return prepareBind(m, o, s)
	case spec.MountImage:
		return prepareImage(m, o, s)
	case spec.MountDevice:
		return prepareDevice(m, s.label)
	default:
		return newMount(m.Type, m.Source, o.labelled(s.label))
	}
}

func prepareBind(m spec.Mount, o options, s *sources) (detached, error) {
	if err := o.onlyAttributes(); err != nil {
		return detached{}, err
	}
	d, err := s.bind(m)
	if err != nil {
		return detached{}, err
	}
	propagation := uint64(unix.MS_PRIVATE)
	if m.Propagation == spec.PropagationSlave {
		propagation = unix.MS_SLAVE
	}
	// Nothing here is ever executed, so what lies below needs no set-uid bits;
	// and devices are given as such, or not at all.
	below := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Propagation: propagation}
	if m.RecursiveReadOnly {
		below.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	err = d.set(below, true)
	if err == nil {
		err = d.set(o.attributes(), false)
	}
	if err != nil {
		d.Close()
		return detached{}, fmt.Errorf("source %s: set attributes: %w", m.Source, err)
	}
	return d, nil
}
