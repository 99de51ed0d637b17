// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/containerd/containerd/v2/core/mount"
)

// ownRoot gives wazelet's root a file system of its own, on a file of the scratch folder.
// The loop device goes with the mount, and that with the mount namespace.
func (c *Cluster) ownRoot() error {
	if c.options.RootSize == 0 {
		return nil
	}
	// No blocks that only root could use: full is full.
	return mountFile(c.path("root.ext4"), c.Root(), c.options.RootSize, "-m", "0")
}

// diskDir is the laboratory's disk, if it has one.
func diskDir(name string) string { return filepath.Join(claimDir(name), "disk") }

// makeDisk mounts it and leads the scratch folder's paths of what nodes have on theirs there.
func (c *Cluster) makeDisk() error {
	if c.options.DiskSize == 0 {
		return nil
	}
	dir := diskDir(c.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// All of it is written now, and not by the kernel while something is measured.
	if err := mountFile(c.path("disk.ext4"), dir, c.options.DiskSize, "-E", "lazy_itable_init=0,lazy_journal_init=0"); err != nil {
		return err
	}
	for path, target := range map[string]string{
		c.Root(): "wazelet", c.path("containerd", "root"): "containerd", c.PodLogs(): "pods",
	} {
		if err := lead(path, filepath.Join(dir, target), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// removeDisk unmounts it, which lets go of its loop device.
func removeDisk(name string) error { return unmount(diskDir(name)) }

// mountFile makes a file with an ext4 of so many bytes, as mke2fs makes it by default and
// options say, and mounts it.
func mountFile(file, target string, size int64, options ...string) error {
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(file, size); err != nil {
		return err
	}
	args := append([]string{"-q", "-F", "-t", "ext4"}, options...)
	mkfs := exec.Command("mke2fs", append(args, file, strconv.FormatInt(size>>10, 10)+"k")...)
	if out, err := mkfs.CombinedOutput(); err != nil {
		return fmt.Errorf("file system for %s: %w\n%s", target, err, out)
	}
	if err := (&mount.Mount{Type: "ext4", Source: file, Options: []string{"loop"}}).Mount(target); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}
