// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

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

// ipcSysctl says whether a sysctl, by its file, belongs to an IPC namespace
// (ipc_namespaces(7), mq_overview(7)).
func ipcSysctl(file string) bool {
	return strings.HasPrefix(file, "kernel/shm") || strings.HasPrefix(file, "kernel/msg") ||
		file == "kernel/sem" || strings.HasPrefix(file, "fs/mqueue/")
}

// IPCSysctls are those of the pod's sysctls that belong to an IPC namespace, by
// their files below /proc/sys. Each container's worker has such a namespace of
// its own and sets them there.
func (c Config) IPCSysctls() map[string]string {
	set := map[string]string{}
	for name, value := range c.Sysctls {
		if file, err := sysctlFile(name); err == nil && ipcSysctl(file) {
			set[file] = value
		}
	}
	return set
}

// applySysctls sets those of the network in the namespace at path.
func applySysctls(path string, asked map[string]string) error {
	values := map[string]string{unprivilegedPorts: "0"}
	for name, value := range asked {
		if file, err := sysctlFile(name); err == nil && !ipcSysctl(file) {
			values[name] = value
		}
	}
	return netns.Do(path, func() error { return writeSysctls(values) })
}

// trySysctls sets those of an IPC namespace in one that nobody uses, so that a
// pod that asks for the impossible fails before its first container.
func trySysctls(asked map[string]string) error {
	values := map[string]string{}
	for name, value := range asked {
		if file, err := sysctlFile(name); err == nil && ipcSysctl(file) {
			values[name] = value
		}
	}
	if len(values) == 0 {
		return nil
	}
	done := make(chan error)
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWIPC); err != nil {
			done <- fmt.Errorf("ipc namespace: %w", err)
			return
		}
		done <- writeSysctls(values)
	}()
	return <-done
}

// writeSysctls sets them in the namespaces of the calling thread.
func writeSysctls(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := writeSysctl(name, values[name]); err != nil {
			return fmt.Errorf("sysctl %s=%q: %w", name, values[name], err)
		}
	}
	return nil
}

func writeSysctl(name, value string) error {
	file, err := sysctlFile(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join("/proc/sys", file), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the kernel has none such for a pod: %w", errdefs.ErrInvalidArgument)
	} else if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ERANGE) {
		err = fmt.Errorf("%w: %w", err, errdefs.ErrInvalidArgument)
	}
	return errors.Join(err, f.Close())
}
