// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"fmt"
	"path/filepath"
	"slices"
)

// label gives what the container reads and writes outside its root its SELinux
// label: the files of its worker, those of its pod, and the volumes that are to
// have it.
func (c *Controller) label(n Container, p parts) error {
	own := n.Config.SELinux
	if own.Mount == "" {
		return nil
	}
	files := []string{c.exitFile(n.ID), c.callsFile(n.ID)}
	if n.LogFile != "" {
		files = append(files, n.LogFile)
	}
	for _, file := range files {
		if err := own.SetFile(file); err != nil {
			return err
		}
	}
	for _, name := range []string{"hosts", "hostname", "resolv.conf"} {
		if err := own.Relabel(filepath.Join(p.shared, name)); err != nil {
			return err
		}
	}
	for _, m := range slices.Concat(n.Config.Mounts, deviceMounts(p.devices)) {
		if !m.Relabel || m.HostPath == "" {
			continue
		}
		if err := own.Relabel(m.HostPath); err != nil {
			return fmt.Errorf("mount %s: %w", m.ContainerPath, err)
		}
	}
	return nil
}
