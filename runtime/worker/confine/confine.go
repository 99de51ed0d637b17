// SPDX-License-Identifier: Apache-2.0

// Package confine shuts a worker process in. It builds the container's root
// in the process's own mount namespace, pivots into it and gives everything
// up: capabilities, other users' rights, new privileges, and every system
// call a WebAssembly host does not need. It is the second wall around a
// guest; the first is WebAssembly itself.
//
// The order matters. Whatever an image or a pod can name (a mount's source,
// a mount point, the module) is resolved by the kernel inside the new root,
// and no byte of the module is parsed before the last wall stands.
//
// All of it needs Linux 5.12 (mount_setattr); Landlock is used where present.
package confine

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Container makes the process the container c: it builds c's root, enters it,
// takes c's user and confines every thread. module is the file of an artifact
// or nil. After an error the process is in an undefined state and must exit.
//
// In a pod's user namespace (c.UserNS) module is nil, and passed are the mounts
// that spec.Sources brings.
//
// The returned Loader is the one way left to read the module's compiled code.
func Container(c *spec.Container, module *os.File, passed []*os.File) (*Loader, error) {
	processes, err := enter(c, module, passed)
	if err != nil {
		return nil, err
	}
	defer processes.Close()
	loader, err := newLoader(processes)
	if err != nil {
		return nil, err
	}
	if err := dropPrivileges(identity{c.UID, c.GID, c.Groups, c.Rootless}); err != nil {
		return nil, err
	}
	return loader, nil
}

// enter builds c's root and enters it. The procfs is the caller's to close.
func enter(c *spec.Container, module *os.File, passed []*os.File) (_ processes, err error) {
	if err := setOOMScore(c.OOMScoreAdj); err != nil {
		return processes{}, err
	}
	if c.Hostname != "" {
		if err := unix.Sethostname([]byte(c.Hostname)); err != nil {
			return processes{}, spec.Failf(spec.Internal, "hostname %s: %w", c.Hostname, err)
		}
	}
	if err := setSysctls(c.Sysctls); err != nil {
		return processes{}, err
	}
	if err := setName(c.Args); err != nil {
		return processes{}, err
	}
	sources := &sources{c.UserNS, passed, c.MountLabel}
	p, err := sources.processes(c.Rootless)
	if err != nil {
		return processes{}, err
	}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if err := enterContainerRoot(c, module, sources, p); err != nil {
		return processes{}, err
	}
	return p, protectProc(p)
}

// Exec shuts in a process that was born in a container's namespaces, for a
// command: the container's root stands around it already, and is as confined for
// it as for the guest. It takes the user of e. In a pod's user namespace, which
// is another one than the container's root belongs to, procfs is handed in.
func Exec(e *spec.Exec, procfs *os.File) (*Loader, error) {
	return inside(procfs, identity{uid: e.UID, gid: e.GID, groups: e.Groups})
}

// inside shuts in a process that stands in a container's root.
func inside(procfs *os.File, id identity) (*Loader, error) {
	processes, err := execProcesses(procfs)
	if err != nil {
		return nil, err
	}
	defer processes.Close()
	loader, err := newLoader(processes)
	if err != nil {
		return nil, err
	}
	if err := dropPrivileges(id); err != nil {
		return nil, err
	}
	return loader, nil
}

// Compiler makes the process a compiler that can reach the directory out, at
// /out, and nothing else. It runs as uid and gid, to whom out belongs.
func Compiler(out *os.File, uid, gid uint32, rootless bool) error {
	if err := enterCompilerRoot(out); err != nil {
		return err
	}
	return dropPrivileges(identity{uid: uid, gid: gid, rootless: rootless})
}

// dropPrivileges confines all threads, strongest right first, because each
// step needs what a later one gives up.
func dropPrivileges(id identity) error {
	for _, step := range []func() error{
		dropBoundingSet,
		id.assume,
		dropCapabilities,
		forbidNewPrivileges,
		restrictFiles,
		filterSyscalls,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// setSysctls sets what the IPC namespace, which is this process's own, has of
// kernel parameters (sysctl(2), ipc_namespaces(7)).
func setSysctls(values map[string]string) error {
	for _, file := range slices.Sorted(maps.Keys(values)) {
		if err := os.WriteFile("/proc/sys/"+file, []byte(values[file]), 0); err != nil {
			return spec.Failf(spec.FailedPrecondition, "sysctl %s=%q: %w", strings.ReplaceAll(file, "/", "."), values[file], err)
		}
	}
	return nil
}

// setOOMScore sets the kernel's preference for this process when memory is
// short (proc(5)). Lowering it needs CAP_SYS_RESOURCE, which a nested node
// may lack: then the score stays, as with other runtimes.
func setOOMScore(score int) error {
	if score == 0 {
		return nil
	}
	err := os.WriteFile("/proc/self/oom_score_adj", []byte(itoa(score)), 0)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil
	}
	if err != nil {
		return spec.Failf(spec.Invalid, "OOM score %d: %w", score, err)
	}
	return nil
}
