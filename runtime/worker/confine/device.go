// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// prepareDevice returns a detached mount of a device node. Who may open it is
// said by the node's own owner and mode on the host.
func prepareDevice(m spec.Mount, label string) (detached, error) {
	var st unix.Stat_t
	err := unix.Stat(m.Source, &st)
	if absent(err) {
		return detached{}, spec.Failf(spec.NotFound, "device %s does not exist", m.Source)
	}
	if err != nil {
		return detached{}, fmt.Errorf("device %s: %w", m.Source, err)
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFCHR && kind != unix.S_IFBLK {
		return detached{}, spec.Failf(spec.Invalid, "%s is no device", m.Source)
	}
	var d detached
	if m.Access == "rw" {
		d, err = cloneBind(m.Source)
	} else {
		d, err = makeNode(st, m.Access, label)
	}
	if errors.Is(err, unix.EPERM) {
		return detached{}, spec.Failf(spec.FailedPrecondition, "device %s: access %q cannot be given in a user namespace", m.Source, m.Access)
	}
	if err == nil {
		if err = d.set(unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, Propagation: unix.MS_PRIVATE}, true); err != nil {
			d.Close()
		}
	}
	if err != nil {
		return detached{}, fmt.Errorf("device %s: %w", m.Source, err)
	}
	return d, nil
}

// makeNode makes a node of the same device and owner whose mode lacks what must
// not be done, and returns a mount of it: a read-only mount does not keep anybody
// from writing to a device. The owner cannot change the mode, since no filter of
// this process lets it.
func makeNode(st unix.Stat_t, access, label string) (detached, error) {
	modes := map[string]uint32{"r": 0o444, "w": 0o222}
	fs, err := newMount(spec.MountTmpfs, "device", parseOptions([]string{"mode=700", "size=4k", "nosuid", "noexec"}).labelled(label))
	if err != nil {
		return detached{}, err
	}
	defer fs.Close()
	const name = "node"
	if err := unix.Mknodat(fs.fd, name, st.Mode&unix.S_IFMT, int(st.Rdev)); err != nil {
		return detached{}, err
	}
	if err := unix.Fchownat(fs.fd, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return detached{}, err
	}
	if err := unix.Fchmodat(fs.fd, name, st.Mode&modes[access], 0); err != nil {
		return detached{}, err
	}
	fd, err := unix.OpenTree(fs.fd, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	return detached{fd: fd}, err
}
