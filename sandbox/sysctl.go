// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/sandbox/netns"
)

// unprivilegedPorts lets a pod listen on any port of its own network. A worker
// has no capability to do so, and the ports below 1024 of a pod are nobody
// else's; containerd's CRI does the same.
const unprivilegedPorts = "net.ipv4.ip_unprivileged_port_start"

// sysctlFile returns a sysctl's file below /proc/sys. The names may be
// separated by dots or, where a device's name has a dot, by slashes: the first
// separator tells (sysctl.d(5)).
func sysctlFile(name string) (string, error) {
	file := name
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '.' {
		swap := strings.NewReplacer(".", "/", "/", ".")
		file = swap.Replace(name)
	}
	if !fs.ValidPath(file) || file == "." || strings.ContainsRune(file, 0) {
		return "", fmt.Errorf("sysctl %q is no name of one", name)
	}
	return file, nil
}

// applySysctls sets the sysctls in the network namespace at path.
func applySysctls(path string, asked map[string]string) error {
	values := map[string]string{unprivilegedPorts: "0"}
	maps.Copy(values, asked)
	return netns.Do(path, func() error {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if err := writeSysctl(name, values[name]); err != nil {
				return fmt.Errorf("sysctl %s=%q: %w", name, values[name], err)
			}
		}
		return nil
	})
}

// writeSysctl sets one in the namespaces of the calling thread.
func writeSysctl(name, value string) error {
	file, err := sysctlFile(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join("/proc/sys", file), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the kernel has none for a network namespace: %w", errdefs.ErrInvalidArgument)
	} else if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
