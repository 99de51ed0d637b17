// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/systemd"
	"golang.org/x/sys/unix"
)

const (
	// hostRoot is where every supported host mounts its hierarchies.
	hostRoot = "/sys/fs/cgroup"
	// removeTimeout bounds the wait for the last process to go.
	removeTimeout = 10 * time.Second
)

// Group is the cgroup of one container.
type Group struct {
	manager cgroups.Manager
	config  *cgroups.Cgroup
	path    string
	spared  []string // where it would be in the hierarchies where it is not (v1)

	mu      sync.Mutex // orders Add and Update
	pending *Resources // systemd: not made yet
}

// Path returns the group's path in its hierarchies, such as
// "/kubepods/pod1/c0ffee".
func (g *Group) Path() string { return g.path }

func (g *Group) innerPath() (string, error) {
	if !g.config.Systemd {
		return g.config.Path, nil
	}
	if name := g.config.Name; filepath.Ext(name) == sliceSuffix {
		return systemd.ExpandSlice(name)
	}
	slice, err := systemd.ExpandSlice(g.config.Parent)
	if err != nil {
		return "", fmt.Errorf("cgroup parent %q: %w: %w", g.config.Parent, err, errdefs.ErrInvalidArgument)
	}
	return path.Join(slice, scopePrefix+"-"+g.config.Name+".scope"), nil
}

// dir is a directory of the group that tells whether it exists and which
// processes it holds: on v1 each hierarchy has one, and all agree.
func (g *Group) dir() string {
	if cgroups.IsCgroup2UnifiedMode() {
		return g.manager.Path("")
	}
	for _, controller := range []string{"memory", "pids", "cpu", "cpuset", "name=systemd"} {
		if dir := g.manager.Path(controller); dir != "" {
			return dir
		}
	}
	return ""
}

func (g *Group) exists() bool {
	_, err := os.Stat(g.dir())
	return err == nil
}

// make brings the group into being, empty and limited.
func (g *Group) make(r Resources) error {
	// The library looks at the limits before it makes a group; the controllers
	// to set them show only once it is there.
	limits, err := g.limits(r)
	if err != nil {
		return err
	}
	g.config.Resources = limits
	if err := g.manager.Apply(-1); err != nil {
		return err
	}
	return g.set(r)
}

func (g *Group) set(r Resources) error {
	limits, err := g.limits(r)
	if err != nil {
		return err
	}
	if err := g.require(limits); err != nil {
		return err
	}
	return g.manager.Set(limits)
}

// Add moves a process into the group.
func (g *Group) Add(pid int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.add(pid); err != nil {
		return fmt.Errorf("cgroup %s: process %d: %w", g.path, pid, err)
	}
	return nil
}

func (g *Group) add(pid int) error {
	if g.pending == nil {
		return g.manager.AddPid("", pid)
	}
	if err := g.manager.Apply(pid); err != nil {
		return err
	}
	if err := g.set(*g.pending); err != nil {
		return err
	}
	g.pending = nil
	return nil
}

// Limit sets the limits of a group that was made without any. Unlike [Group.Update] it
// does not look at what is in use: a group that is too full for its limits is an error
// of the kernel's.
func (g *Group) Limit(r Resources) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	limits, err := g.limits(r)
	if err == nil {
		g.config.Resources = limits
		err = g.set(r)
	}
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return nil
}

// Update changes limits in place. What is zero in r stays as it is. A memory
// limit below what is in use is errdefs.ErrFailedPrecondition.
func (g *Group) Update(r Resources) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pending != nil {
		return fmt.Errorf("cgroup %s: no process in it yet: %w", g.path, errdefs.ErrFailedPrecondition)
	}
	if !g.exists() {
		return fmt.Errorf("cgroup %s: %w", g.path, errdefs.ErrNotFound)
	}
	if err := g.roomFor(r.MemoryLimit); err != nil {
		return err
	}
	if err := g.set(r); err != nil {
		return fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return nil
}

// roomFor refuses to lower the memory limit below what the group cannot easily
// give back: v2 would kill its processes for it, v1 says no only after it has
// tried.
func (g *Group) roomFor(limit int64) error {
	if limit <= 0 {
		return nil
	}
	s, err := g.Usage()
	if err != nil {
		return err
	}
	lower := s.MemoryLimit == 0 || uint64(limit) < s.MemoryLimit
	if lower && s.MemoryWorkingSet >= uint64(limit) {
		return fmt.Errorf("memory limit of %d bytes: %d are in use: %w", limit, s.MemoryWorkingSet, errdefs.ErrFailedPrecondition)
	}
	return nil
}

// Remove removes the group. One that is absent is no error. A process that is
// about to end is waited for, at most 10 s and until ctx is done.
func (g *Group) Remove(ctx context.Context) error {
	if g.removeEmpty() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	if err := g.empty(ctx); err != nil {
		return err
	}
	if err := g.destroyAll(); err != nil {
		return fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return nil
}

// destroyAll removes the group, and what an earlier release has made of it where it is spared.
func (g *Group) destroyAll() error {
	err := g.manager.Destroy()
	for _, dir := range g.spared {
		err = errors.Join(err, cgroups.RemovePath(dir))
	}
	return err
}

// removeEmpty tries to remove the group as it is. One that holds nothing, which is what
// most ends find, can be removed; the kernel refuses it for any other.
func (g *Group) removeEmpty() bool {
	if g.config.Systemd {
		return false
	}
	if err := unix.Rmdir(g.dir()); err != nil && err != unix.ENOENT {
		return false
	}
	return g.destroyAll() == nil
}

// destroy removes a group that holds no process, and says at once when it does.
func (g *Group) destroy() error {
	pids, err := g.pids()
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return fmt.Errorf("in use by processes %v: %w", pids, errdefs.ErrFailedPrecondition)
	}
	return g.destroyAll()
}

// empty waits until the group holds no process. v1 tells nobody when the last
// one left, so it is looked at with growing pauses.
func (g *Group) empty(ctx context.Context) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		pids, err := g.pids()
		switch {
		case err != nil:
			return fmt.Errorf("cgroup %s: %w", g.path, err)
		case len(pids) == 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cgroup %s: still holds processes %v: %w", g.path, pids, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// pids lists the processes of the group and of groups below it; none when the
// group is gone.
func (g *Group) pids() ([]int, error) {
	pids, err := cgroups.GetAllPids(g.dir())
	if gone(err) {
		return nil, nil
	}
	return pids, err
}

// gone says whether err is how the kernel tells that a cgroup was removed,
// before or after its file was opened.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoDevice)
}
