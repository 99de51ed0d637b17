// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/containerd/containerd/v2/core/mount"
)

// ownRoot gives wazelet's root a file system of its own, on a file of the scratch folder.
// The loop device goes with the mount, and that with the mount namespace.
func (c *Cluster) ownRoot() error {
	if c.options.RootSize == 0 {
		return nil
	}
	file := c.path("root.ext4")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(file, c.options.RootSize); err != nil {
		return err
	}
	// No blocks that only root could use: full is full.
	mkfs := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", file, strconv.FormatInt(c.options.RootSize>>10, 10)+"k")
	if out, err := mkfs.CombinedOutput(); err != nil {
		return fmt.Errorf("file system for %s: %w\n%s", c.Root(), err, out)
	}
	if err := (&mount.Mount{Type: "ext4", Source: file, Options: []string{"loop"}}).Mount(c.Root()); err != nil {
		return fmt.Errorf("mount %s: %w", c.Root(), err)
	}
	return nil
}
