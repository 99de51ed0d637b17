// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
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
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := errors.Join(os.Mkdir(target, 0o711), os.Symlink(target, path)); err != nil {
			return err
		}
	}
	return nil
}

// removeState unmounts it. Mounts below it, such as network namespaces, lie in the
// laboratory's mount namespace.
func removeState(name string) error { return unmount(stateDir(name)) }
