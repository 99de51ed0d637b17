// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// cgroups is the laboratory's own branch of every cgroup hierarchy. The kubelet
// gets it as its cgroupRoot, and the laboratory's own daemons live in a leaf of
// it, so that whatever belongs to the laboratory can be found and ended.
type cgroups struct {
	// name is the branch below each hierarchy's root, without a slash.
	name string
	// mounts are the roots of the hierarchies: one on cgroup v2; on v1 one per
	// controller, and the unified one beside them where there is one.
	mounts []string
	v2     bool
}

// daemons is the leaf for the laboratory's own processes.
const daemons = "daemons"

func findCgroups(name string) (*cgroups, error) {
	const root = "/sys/fs/cgroup"
	var stat unix.Statfs_t
	if err := unix.Statfs(root, &stat); err != nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	if stat.Type == unix.CGROUP2_SUPER_MAGIC {
		return &cgroups{name: name, mounts: []string{root}, v2: true}, nil
	}
	infos, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	c := &cgroups{name: name}
	for _, info := range infos {
		if filepath.Dir(info.Mountpoint) == root {
			c.mounts = append(c.mounts, info.Mountpoint)
		}
	}
	if len(c.mounts) == 0 {
		return nil, fmt.Errorf("no cgroup hierarchy is mounted below %s", root)
	}
	slices.Sort(c.mounts)
	return c, nil
}

// create makes the branch and its leaf for daemons.
func (c *cgroups) create() error {
	for _, mount := range c.mounts {
		branch := filepath.Join(mount, c.name)
		if err := os.Mkdir(branch, 0o755); err != nil {
			return err
		}
		prepare := func() error { return inheritCPUSet(branch) }
		if c.v2 {
			prepare = func() error { return errors.Join(delegate(mount), delegate(branch)) }
		}
		if err := prepare(); err != nil {
			return err
		}
	}
	return os.Mkdir(c.daemons(), 0o755)
}

// delegate offers the controllers that the kubelet uses to the children of a v2
// cgroup. It cannot do without the first three.
func delegate(dir string) error {
	has, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for i, controller := range []string{"cpu", "memory", "pids", "cpuset", "io", "hugetlb"} {
		if !slices.Contains(strings.Fields(string(has)), controller) {
			continue
		}
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0)
		if err != nil && i < 3 {
			return fmt.Errorf("delegate the %s controller of %s: %w", controller, dir, err)
		}
	}
	return nil
}

// inheritCPUSet fills a new v1 cpuset, which takes no process while it is empty.
func inheritCPUSet(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(own)) != "" {
			continue
		}
		parent, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), parent, 0); err != nil {
			return err
		}
	}
	return nil
}

// tracking is the hierarchy that the laboratory's own processes are put into.
// On v1 one is enough to find them, and the others are left as they are.
func (c *cgroups) tracking() string {
	if i := slices.IndexFunc(c.mounts, func(m string) bool { return filepath.Base(m) == "pids" }); i >= 0 {
		return c.mounts[i]
	}
	return c.mounts[0]
}

func (c *cgroups) daemons() string { return filepath.Join(c.tracking(), c.name, daemons) }

// joinThread moves the calling thread into the leaf for daemons: a process that
// it starts is born there. On v2 threads cannot be moved alone; there the child
// is cloned into the leaf instead (SysProcAttr.CgroupFD).
func (c *cgroups) joinThread() error {
	if c.v2 {
		return nil
	}
	return os.WriteFile(filepath.Join(c.daemons(), "tasks"), []byte(strconv.Itoa(unix.Gettid())), 0)
}

// list returns every cgroup of the branch, relative to its hierarchy's root, with
// the hierarchy in front.
func (c *cgroups) list() ([]string, error) {
	var all []string
	for _, mount := range c.mounts {
		err := filepath.WalkDir(filepath.Join(mount, c.name), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed while we looked
			}
			if err == nil && d.IsDir() {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// processes returns the ids of all processes in the branch.
func (c *cgroups) processes() ([]int, error) {
	dirs, err := c.list()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		content, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue // gone, or threaded
		}
		for _, field := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// remove removes the branch, deepest first. It must have no process left; those
// that have just ended, and the threads of this process, are given a moment to
// leave: on v1 nothing tells when they have.
func (c *cgroups) remove() error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := c.removeOnce()
		if err == nil || !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

func (c *cgroups) removeOnce() error {
	dirs, err := c.list()
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range slices.Backward(dirs) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
