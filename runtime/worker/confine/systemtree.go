// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// systemTree is a file system of the runtime's own with others in it: /proc or /dev.
// No image has a part in it, so its mount points are made without looking, by name,
// and what all of it has in common is set once.
type systemTree struct {
	at       string
	fs       detached
	parts    []part
	attrs    uint64 // of all of it
	readOnly bool   // of all parts; the file system itself is sealed later (sealSystem)
}

// file is a file or a directory of the host's that is shown, and its name in the tree.
type file struct {
	name, source string
	dir          bool
}

// part is a mount in a systemTree, in a directory that is there.
type part struct {
	detached
	name string
}

func (t *systemTree) Close() {
	t.fs.Close()
	for _, p := range t.parts {
		p.Close()
	}
}

// directories makes some, each after those it is in.
func (t *systemTree) directories(names ...string) error {
	for _, name := range names {
		if err := unix.Mkdirat(t.fs.fd, name, 0o755); err != nil {
			return fmt.Errorf("%s/%s: %w", t.at, name, err)
		}
	}
	return nil
}

// bindAll adds what the host has of files. What this kernel has not, or a node that is a
// container hides, is left out.
func (t *systemTree) bindAll(files []file) error {
	for _, f := range files {
		fd, err := unix.OpenTree(unix.AT_FDCWD, f.source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("mount %s/%s: %w", t.at, f.name, err)
		}
		t.parts = append(t.parts, part{detached{fd, f.dir}, f.name})
	}
	return nil
}

// attach puts the tree into the root.
func (t *systemTree) attach(root tree) error {
	if err := t.fs.attachAt(root, t.at); err != nil {
		return fmt.Errorf("mount %s: %w", t.at, err)
	}
	for _, p := range t.parts {
		if err := t.attachPart(p); err != nil {
			return fmt.Errorf("mount %s/%s: %w", t.at, p.name, err)
		}
	}
	all := unix.MountAttr{Attr_set: t.attrs, Propagation: unix.MS_PRIVATE}
	if t.readOnly {
		all.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	err := t.fs.set(all, true)
	if err == nil && t.readOnly {
		err = t.fs.set(unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}, false)
	}
	if err != nil {
		return fmt.Errorf("mount %s: set attributes: %w", t.at, err)
	}
	return nil
}

func (t *systemTree) attachPart(p part) error {
	var err error
	if p.dir {
		err = unix.Mkdirat(t.fs.fd, p.name, 0o755)
	} else {
		err = unix.Mknodat(t.fs.fd, p.name, unix.S_IFREG|0o644, 0)
	}
	if err != nil {
		return fmt.Errorf("mount point: %w", err)
	}
	return unix.MoveMount(p.fd, "", t.fs.fd, p.name, unix.MOVE_MOUNT_F_EMPTY_PATH)
}
