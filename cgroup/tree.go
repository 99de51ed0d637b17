// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/cgroups/systemd"
)

// Driver says who makes the cgroups. The kubelet must use the same one.
type Driver string

const (
	// Cgroupfs makes directories in the cgroup file system.
	Cgroupfs Driver = "cgroupfs"
	// Systemd asks systemd for transient slices and scopes.
	Systemd Driver = "systemd"
)

const (
	sliceSuffix = ".slice"
	scopePrefix = "wazelet"
)

// Tree makes and finds the groups of one node.
type Tree struct {
	driver Driver
	root   string // cgroupfs: an absolute path; systemd: a slice's name without its suffix
}

// Open returns a tree whose own pods live below root, such as "/wazelet"; for
// systemd its last element names the slice. It makes nothing yet.
func Open(driver Driver, root string) (*Tree, error) {
	root = path.Clean("/" + root)
	if root == "/" {
		return nil, fmt.Errorf("cgroup root %q: names the root of the hierarchy, which is not ours: %w", root, errdefs.ErrInvalidArgument)
	}
	switch driver {
	case Cgroupfs:
		return &Tree{driver: driver, root: root}, nil
	case Systemd:
		if !systemd.IsRunningSystemd() {
			return nil, fmt.Errorf("cgroup driver systemd: this host was not booted with systemd; use cgroupfs: %w", errdefs.ErrFailedPrecondition)
		}
		name := strings.TrimSuffix(path.Base(root), sliceSuffix)
		if _, err := systemd.ExpandSlice(name + sliceSuffix); err != nil {
			return nil, fmt.Errorf("cgroup root %q: %w: %w", root, err, errdefs.ErrInvalidArgument)
		}
		return &Tree{driver: driver, root: name}, nil
	}
	return nil, fmt.Errorf("cgroup driver %q: want %s or %s: %w", driver, Cgroupfs, Systemd, errdefs.ErrInvalidArgument)
}

// Driver returns who makes the cgroups.
func (t *Tree) Driver() Driver { return t.driver }

// PodParent returns the parent for the containers of a sandbox whose caller
// named none.
func (t *Tree) PodParent(sandboxID string) string {
	if t.driver == Systemd {
		return "/" + t.root + sliceSuffix + "/" + t.root + "-" + sandboxID + sliceSuffix
	}
	return path.Join(t.root, sandboxID)
}

// CreatePodParent makes the cgroup that [Tree.PodParent] names, without limits.
func (t *Tree) CreatePodParent(sandboxID string) error {
	g, err := t.podParent(sandboxID)
	if err == nil {
		err = g.manager.Apply(-1)
	}
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", t.PodParent(sandboxID), err)
	}
	return nil
}

// RemovePodParent removes what CreatePodParent made and empty groups below it.
// One that is absent is no error.
func (t *Tree) RemovePodParent(sandboxID string) error {
	g, err := t.podParent(sandboxID)
	if err == nil {
		err = g.destroy()
	}
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", t.PodParent(sandboxID), err)
	}
	return nil
}

// Parent finds the group that the containers of a pod lie in, whoever made it.
// It is errdefs.ErrNotFound when it is gone.
func (t *Tree) Parent(parent string) (*Group, error) {
	c := &cgroups.Cgroup{Path: path.Clean("/" + parent)}
	if t.driver == Systemd {
		name := path.Base(parent)
		above, _, nested := cutLast(strings.TrimSuffix(name, sliceSuffix), "-")
		if !nested {
			above = "-"
		}
		c = &cgroups.Cgroup{Parent: above + sliceSuffix, Name: name}
	}
	g, err := t.open(c)
	if err != nil {
		return nil, err
	}
	if !g.exists() {
		return nil, fmt.Errorf("cgroup %s: %w", g.path, errdefs.ErrNotFound)
	}
	return g, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (t *Tree) podParent(sandboxID string) (*Group, error) {
	if err := validateName(sandboxID); err != nil {
		return nil, err
	}
	if t.driver == Systemd {
		return t.open(&cgroups.Cgroup{Parent: t.root + sliceSuffix, Name: t.root + "-" + sandboxID + sliceSuffix})
	}
	return t.open(&cgroups.Cgroup{Path: t.PodParent(sandboxID)})
}

// Create makes the group of a container below parent, which is made too where
// it is absent, and sets its limits. It holds no process yet. When a limit
// cannot be set nothing stays.
//
// systemd knows no empty scope: there the group comes into being with the
// first [Group.Add].
func (t *Tree) Create(parent, id string, r Resources) (*Group, error) {
	g, err := t.child(parent, id)
	if err != nil {
		return nil, err
	}
	if g.exists() {
		if g, err = t.reclaim(g, parent, id); err != nil {
			return nil, err
		}
	}
	if t.driver == Systemd {
		// What cannot be done is told now all the same.
		if g.config.Resources, err = g.limits(r); err == nil {
			err = g.require(g.config.Resources)
		}
		g.pending = &r
	} else if err = g.make(r); err != nil {
		err = errors.Join(err, g.destroyAll())
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return g, nil
}

// reclaim removes an empty group that a killed daemon left, with its limits.
func (t *Tree) reclaim(g *Group, parent, id string) (*Group, error) {
	if err := g.destroy(); err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return t.child(parent, id) // the manager of a removed group is spent
}

// Load finds the group that Create made, for instance before a restart of the
// daemon. It is errdefs.ErrNotFound when it is gone.
func (t *Tree) Load(parent, id string) (*Group, error) {
	g, err := t.child(parent, id)
	if err != nil {
		return nil, err
	}
	if !g.exists() {
		return nil, fmt.Errorf("cgroup %s: %w", g.path, errdefs.ErrNotFound)
	}
	return g, nil
}

// child names the group of container id below parent.
func (t *Tree) child(parent, id string) (*Group, error) {
	if err := validateName(id); err != nil {
		return nil, err
	}
	slice := strings.HasSuffix(parent, sliceSuffix)
	switch {
	case parent == "":
		return nil, fmt.Errorf("cgroup parent of %s is empty: %w", id, errdefs.ErrInvalidArgument)
	case t.driver == Systemd && !slice:
		return nil, fmt.Errorf("cgroup parent %q is no systemd slice, but the cgroup driver is systemd: give the kubelet and wazelet the same driver: %w", parent, errdefs.ErrInvalidArgument)
	case t.driver == Cgroupfs && slice:
		return nil, fmt.Errorf("cgroup parent %q is a systemd slice, but the cgroup driver is cgroupfs: give the kubelet and wazelet the same driver: %w", parent, errdefs.ErrInvalidArgument)
	case t.driver == Systemd:
		return t.open(&cgroups.Cgroup{Parent: path.Base(parent), ScopePrefix: scopePrefix, Name: id})
	}
	// Cleaned as an absolute path: ".." cannot leave the hierarchy.
	return t.open(&cgroups.Cgroup{Path: path.Join("/", parent, id)})
}

func (t *Tree) open(c *cgroups.Cgroup) (*Group, error) {
	c.Systemd = t.driver == Systemd
	// v1 needs Resources to be there.
	c.Resources = &cgroups.Resources{SkipDevices: true}
	g := &Group{config: c}
	var err error
	if g.manager, g.spared, err = t.manager(c); err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", path.Join(c.Parent, c.Name, c.Path), err)
	}
	g.path, err = g.innerPath()
	return g, err
}

// manager is the library's of a group, which would look for the hierarchies anew each
// time, and where the group would be in those that it is spared.
func (t *Tree) manager(c *cgroups.Cgroup) (m cgroups.Manager, spared []string, err error) {
	if t.driver == Systemd || cgroups.IsCgroup2UnifiedMode() {
		m, err = manager.New(c)
		return m, nil, err
	}
	tops, err := mountedHierarchies()
	if err != nil {
		return nil, nil, err
	}
	paths := make(map[string]string, len(tops))
	for name, top := range tops {
		if dir := path.Join(top, c.Path); slices.Contains(idle, name) {
			spared = append(spared, dir)
		} else {
			paths[name] = dir
		}
	}
	m, err = manager.NewWithPaths(c, paths)
	return m, spared, err
}

// idle are hierarchies of v1 in which nothing is limited and nothing counted: a container has no
// group of its own there, its processes are in the pod's. Access to devices needs no rules:
// a worker has no capabilities and a /dev of its own.
var idle = []string{"devices", "freezer", "net_cls", "net_prio", "perf_event"}

// mountedHierarchies are the directories of v1's hierarchies, by the names of the library. They
// are mounted when a machine starts.
var mountedHierarchies = sync.OnceValues(func() (map[string]string, error) {
	m, err := manager.New(&cgroups.Cgroup{Path: "/", Resources: &cgroups.Resources{SkipDevices: true}})
	if err != nil {
		return nil, err
	}
	return m.GetPaths(), nil
})

// validateName bounds what becomes a directory and, after the last '-', a
// scope's id.
func validateName(id string) error {
	ok := len(id) > 0 && len(id) <= 128 && id[0] != '-'
	for _, c := range []byte(id) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fmt.Errorf("cgroup name %q: want 1 to 128 of [a-z0-9-]: %w", id, errdefs.ErrInvalidArgument)
	}
	return nil
}
