// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// devices are the host's devices a container may expect, bound one by one so
// that it works in a user namespace as well.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// procFiles are what a container sees of the machine in /proc. A whole procfs would hand the guest this
// process's own memory (/proc/self/mem) and descriptors (/proc/self/fd), and
// with them a way round both walls.
var procFiles = []struct{ name, source string }{
	{"cpuinfo", "/proc/cpuinfo"},
	{"loadavg", "/proc/loadavg"},
	{"meminfo", "/proc/meminfo"},
	{"stat", "/proc/stat"},
	{"uptime", "/proc/uptime"},
	{"version", "/proc/version"},
	{"net", "/proc/self/net"}, // the pod's network namespace
}

// parameters are the kernel parameters of the pod's namespaces, below /proc/sys.
var parameters = []string{
	"net", "fs/mqueue", "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
	"kernel/shm_rmid_forced", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
}

// systemMounts prepares /proc and /dev.
func systemMounts(c *spec.Container) ([]prepared, error) {
	var mounts []prepared
	add := func(name string, d detached, err error) error {
		if err != nil {
			return fmt.Errorf("mount %s: %w", name, err)
		}
		mounts = append(mounts, prepared{d, name})
		return nil
	}
	tmpfs := func(name string, opts ...string) error {
		d, err := newMount(spec.MountTmpfs, "tmpfs", parseOptions(append(opts, "nosuid", "noexec")).labelled(c.MountLabel))
		if err == nil && name == "/proc" {
			if err = writeSelf(d, c); err != nil {
				d.Close()
			}
		}
		return add(name, d, err)
	}
	bind := func(name, source string, attrs uint64) error {
		d, err := cloneSystem(source, attrs)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a masked host /proc, or a kernel without the file
		}
		return add(name, d, err)
	}
	if err := tmpfs("/proc", "mode=555", "nodev", "size="+itoa(64<<10+selfSize(c))); err != nil {
		return mounts, err
	}
	for _, f := range procFiles {
		if err := bind("/proc/"+f.name, f.source, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV); err != nil {
			return mounts, err
		}
	}
	if err := tmpfs("/dev", "mode=755", "size=64k"); err != nil {
		return mounts, err
	}
	for _, name := range devices {
		if err := bind("/dev/"+name, "/dev/"+name, 0); err != nil {
			return mounts, err
		}
	}
	return mounts, tmpfs("/dev/shm", "mode=1777", "nodev", "size=64m")
}

// cloneSystem returns a mount of something of the kernel's.
func cloneSystem(source string, attrs uint64) (detached, error) {
	d, err := cloneBind(source)
	if err != nil {
		return d, err
	}
	err = d.set(unix.MountAttr{Attr_set: attrs | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, Propagation: unix.MS_PRIVATE}, true)
	if err != nil {
		d.Close()
	}
	return d, err
}

// sealSystem makes read-only what only the runtime fills.
func (t tree) sealSystem() error {
	for _, name := range []string{"/proc", "/dev"} {
		if err := t.setReadOnly(name); err != nil {
			return fmt.Errorf("read-only %s: %w", name, err)
		}
	}
	return nil
}

func (t tree) setReadOnly(name string) error {
	fd, err := t.open(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr)
}

// protect makes name and all below it read-only. An absent path is fine.
func (t tree) protect(name string) error {
	fd, err := t.open(name)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	clone, err := unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	d := detached{fd: clone}
	defer d.Close()
	if err := d.set(unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}, true); err != nil {
		return err
	}
	return d.attach(fd)
}

// mask hides name: a file behind /dev/null, a directory behind an empty one.
// An absent path is fine.
func (t tree) mask(name string) error {
	fd, err := t.open(name)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	dir, err := isDir(fd)
	if err != nil {
		return err
	}
	d, err := t.cover(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.attach(fd)
}

func (t tree) cover(dir bool) (detached, error) {
	if dir {
		return newMount(spec.MountTmpfs, "tmpfs", parseOptions([]string{"ro", "nosuid", "nodev", "noexec", "size=4k"}))
	}
	null, err := t.open("/dev/null")
	if err != nil {
		return detached{}, err
	}
	defer unix.Close(null)
	fd, err := unix.OpenTree(null, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	return detached{fd: fd}, err
}

func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}
