// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// leastQuota is processor time, in microseconds, that is enough to start a program.
const leastQuota = 10_000

// Enter has what the calling thread starts next born in the group, which takes none of
// the kernel's grace periods that moving a process does (8 ms). It brings the thread itself
// into the group's directories of v1: the thread, which is not the process's first, is the
// caller's alone, and is to end. It returns the one of v2, for clone3(2)'s
// CLONE_INTO_CGROUP, or nil if the group has none. The caller closes it.
//
// It is errdefs.ErrNotImplemented for a group of systemd's that is made for its first
// process, and for one with so little processor time that it would be used up before the
// child has executed its program, while its parent waits: see Add.
func (g *Group) Enter() (*os.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pending != nil {
		return nil, fmt.Errorf("cgroup %s: no process in it yet: %w", g.path, errdefs.ErrNotImplemented)
	}
	if quota := g.config.CpuQuota; quota > 0 && quota < leastQuota {
		return nil, fmt.Errorf("cgroup %s: %d µs of processor time: %w", g.path, quota, errdefs.ErrNotImplemented)
	}
	dir, err := g.enter()
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return dir, nil
}

func (g *Group) enter() (unified *os.File, err error) {
	if cgroups.IsCgroup2UnifiedMode() {
		return openDir(g.dir())
	}
	if !g.exists() {
		return nil, errdefs.ErrNotFound
	}
	dirs := slices.Collect(maps.Values(g.manager.GetPaths()))
	for _, dir := range g.spared {
		dirs = append(dirs, filepath.Dir(dir)) // the pod's
	}
	slices.Sort(dirs)
	// Hierarchies with several controllers are there several times.
	for _, dir := range slices.Compact(dirs) {
		err := enterHierarchy(dir)
		if errors.Is(err, fs.ErrNotExist) { // a controller that is not mounted, or v2 beside v1
			if unified == nil {
				unified, _ = openDir(dir)
			}
			continue
		}
		if err != nil {
			if unified != nil {
				err = errors.Join(err, unified.Close())
			}
			return nil, err
		}
	}
	return unified, nil
}

func openDir(dir string) (*os.File, error) {
	return os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// enterHierarchy moves the calling thread. For a thread that moves itself, the kernel
// need not stop others from starting and ending (cgroup_procs_write_start).
func enterHierarchy(dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("0")
	return errors.Join(err, file.Close())
}
