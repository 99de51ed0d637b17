// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stateDir is the laboratory's /run: a tmpfs, as it is on every node, for what the
// daemons keep for as long as the machine runs.
func stateDir(name string) string { return filepath.Join(claimDir(name), "run") }

// makeState mounts it and leads the scratch folder's paths there. Wazelet and
// containerd have a folder each.
func (c *Cluster) makeState() error {
	dir := stateDir(c.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	for path, target := range map[string]string{
		c.State(): filepath.Join(dir, "wazelet"), c.path("containerd", "run"): filepath.Join(dir, "containerd"),
	} {
		if err := lead(path, target, 0o711); err != nil {
			return err
		}
	}
	return nil
}

// lead makes the folder target, to which path leads, of which there is at most an empty folder.
func lead(path, target string, mode fs.FileMode) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Mkdir(target, mode), os.Symlink(target, path))
}

// removeState unmounts it. Mounts below it, such as network namespaces, lie in the
// laboratory's mount namespace.
func removeState(name string) error { return unmount(stateDir(name)) }
