// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fixedDirs are folders that the kubelet, libcni and containerd's shims write to
// whatever their configuration says. The laboratory lays folders of its own over
// them.
var fixedDirs = []string{"/var/lib/kubelet", "/var/log/containers", "/var/lib/cni", "/run/containerd"}

// tunables are the kernel settings that the kubelet insists on. It would set them
// for the whole machine (a panic on every oops, among them); instead it is shown
// files with the values it looks for.
var tunables = map[string]string{
	"/proc/sys/vm/overcommit_memory":      "1",
	"/proc/sys/vm/panic_on_oom":           "0",
	"/proc/sys/kernel/panic":              "10",
	"/proc/sys/kernel/panic_on_oops":      "1",
	"/proc/sys/kernel/keys/root_maxkeys":  "1000000",
	"/proc/sys/kernel/keys/root_maxbytes": "25000000",
}

// arrangeMounts finishes the mount namespace from within: mounts propagate between
// its own pods only, /sys belongs to its network namespace, and what the kubelet
// would change on the machine is covered.
func (c *Cluster) arrangeMounts() error {
	// Away from the machine's mounts; and while nothing is shared, mounts can be
	// put together without one that goes taking its copies along.
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	if err := c.ownSys(); err != nil {
		return err
	}
	for _, dir := range fixedDirs {
		own := c.path("host", dir)
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(own, 0o755)); err != nil {
			return err
		}
		if err := bind(own, dir); err != nil {
			return err
		}
	}
	for file, value := range tunables {
		own := c.path("host", file)
		if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(own, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := bind(own, file); err != nil {
			return err
		}
	}
	if err := c.ownRoot(); err != nil {
		return err
	}
	if c.options.Host {
		if err := c.arrangeHost(); err != nil {
			return err
		}
	}
	// Shared among ourselves: volumes with mount propagation need it.
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make / shared: %w", err)
	}
	// Of this network namespace alone.
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
}

// ownSys mounts a sysfs of the new network namespace, with the machine's cgroups
// in it, and lays it over /sys.
func (c *Cluster) ownSys() error {
	sys := c.path("host", "sys")
	if err := os.MkdirAll(sys, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("sysfs", sys, "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount sysfs: %w", err)
	}
	if err := bind("/sys/fs/cgroup", filepath.Join(sys, "fs/cgroup")); err != nil {
		return err
	}
	if err := bind(sys, "/sys"); err != nil {
		return err
	}
	return unix.Unmount(sys, unix.MNT_DETACH)
}

func bind(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	return nil
}
