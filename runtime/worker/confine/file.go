// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// cloneFile returns a detached mount of an open file or directory. A
// descriptor that another process opened belongs to that process's mount
// namespace and cannot be bound from here; so its path is looked up, and what
// is found there must be the same inode.
func cloneFile(f *os.File) (detached, error) {
	if f == nil {
		return detached{}, spec.Failf(spec.Invalid, "its descriptor is missing")
	}
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return detached{}, err
	}
	d, err := cloneBind(name)
	if err != nil {
		return detached{}, fmt.Errorf("%s: %w", name, err)
	}
	same, err := sameInode(d.fd, int(f.Fd()))
	if err == nil && !same {
		err = spec.Failf(spec.FailedPrecondition, "%s: replaced while it was being mounted", name)
	}
	if err == nil {
		err = d.freeze()
	}
	if err != nil {
		d.Close()
		return detached{}, err
	}
	return d, nil
}

// freeze takes from a mount what a module or a compiler's output does not need,
// and from a file that it can be written.
func (d detached) freeze() error {
	attr := unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		Propagation: unix.MS_PRIVATE,
	}
	if !d.dir {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	return d.set(attr, true)
}

func sameInode(a, b int) (bool, error) {
	var sa, sb unix.Stat_t
	if err := unix.Fstat(a, &sa); err != nil {
		return false, err
	}
	if err := unix.Fstat(b, &sb); err != nil {
		return false, err
	}
	return sa.Dev == sb.Dev && sa.Ino == sb.Ino, nil
}
