// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// devices are the host's devices a container may expect, bound one by one so
// that it works in a user namespace as well.
var devices = []file{
	{"null", "/dev/null", false}, {"zero", "/dev/zero", false}, {"full", "/dev/full", false},
	{"random", "/dev/random", false}, {"urandom", "/dev/urandom", false},
}

// procFiles are what a container sees of the machine in /proc. A whole procfs would hand the guest this
// process's own memory (/proc/self/mem) and descriptors (/proc/self/fd), and
// with them a way round both walls.
var procFiles = []file{
	{"cpuinfo", "/proc/cpuinfo", false},
	{"loadavg", "/proc/loadavg", false},
	{"meminfo", "/proc/meminfo", false},
	{"stat", "/proc/stat", false},
	{"uptime", "/proc/uptime", false},
	{"version", "/proc/version", false},
	{"net", "/proc/self/net", true}, // the pod's network namespace
}

// parameterDirs are the directories of parameters.
var parameterDirs = []string{"sys", "sys/fs", "sys/kernel"}

// parameters are the kernel parameters of the pod's namespaces.
var parameters = []file{
	{"sys/net", "/proc/sys/net", true},
	{"sys/fs/mqueue", "/proc/sys/fs/mqueue", true},
	{"sys/kernel/msgmax", "/proc/sys/kernel/msgmax", false},
	{"sys/kernel/msgmnb", "/proc/sys/kernel/msgmnb", false},
	{"sys/kernel/msgmni", "/proc/sys/kernel/msgmni", false},
	{"sys/kernel/sem", "/proc/sys/kernel/sem", false},
	{"sys/kernel/shm_rmid_forced", "/proc/sys/kernel/shm_rmid_forced", false},
	{"sys/kernel/shmall", "/proc/sys/kernel/shmall", false},
	{"sys/kernel/shmmax", "/proc/sys/kernel/shmmax", false},
	{"sys/kernel/shmmni", "/proc/sys/kernel/shmmni", false},
}

func newSystemTree(c *spec.Container, at string, attrs uint64, opts ...string) (*systemTree, error) {
	d, err := newMount(spec.MountTmpfs, "tmpfs", parseOptions(append(opts, "nosuid", "noexec")).labelled(c.MountLabel))
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", at, err)
	}
	return &systemTree{at: at, fs: d, attrs: attrs | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC}, nil
}

// newProc prepares /proc, but for what selfParts adds.
func newProc(c *spec.Container) (*systemTree, error) {
	t, err := newSystemTree(c, "/proc", unix.MOUNT_ATTR_NODEV, "mode=555", "nodev", "size="+itoa(64<<10+selfSize(c)))
	if err != nil {
		return nil, err
	}
	t.readOnly = true
	err = writeSelf(t.fs, c)
	if err == nil {
		err = errors.Join(t.directories(parameterDirs...), t.bindAll(procFiles))
	}
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("mount /proc: %w", err)
	}
	return t, nil
}

func newDev(c *spec.Container) (*systemTree, error) {
	t, err := newSystemTree(c, "/dev", 0, "mode=755", "size=64k")
	if err != nil {
		return nil, err
	}
	if err := t.bindAll(devices); err != nil {
		t.Close()
		return nil, err
	}
	shm, err := newMount(spec.MountTmpfs, "tmpfs", parseOptions([]string{"mode=1777", "nodev", "size=64m", "nosuid", "noexec"}).labelled(c.MountLabel))
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("mount /dev/shm: %w", err)
	}
	t.parts = append(t.parts, part{shm, "shm"})
	return t, nil
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
