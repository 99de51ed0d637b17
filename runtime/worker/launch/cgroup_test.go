// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// added is a group that processes can only be added to.
type added func(pid int) error

func (added) Enter() (*os.File, error) { return nil, errdefs.ErrNotImplemented }

func (a added) Add(pid int) error { return a(pid) }

// newGroup makes a group of the test's own.
func newGroup(t *testing.T, r cgroup.Resources) *cgroup.Group {
	t.Helper()
	root := fmt.Sprintf("/wazelet-test-launch-%d", os.Getpid())
	tree, err := cgroup.Open("cgroupfs", root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := filepath.Glob("/sys/fs/cgroup/*" + root)
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range append(left, "/sys/fs/cgroup"+root) { // of versions 1 and 2
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		}
	})
	group, err := tree.Create(tree.PodParent("test"), "c1", r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(group.Remove(context.Background()), tree.RemovePodParent("test")); err != nil {
			t.Error(err)
		}
	})
	return group
}

// TestWorkersAreBornInTheirCgroup: with all of their threads, in all hierarchies, whether
// they are born there or, with little processor time, added; and this process is not.
func TestWorkersAreBornInTheirCgroup(t *testing.T) {
	for name, r := range map[string]cgroup.Resources{
		"born":  {MemoryLimit: 64 << 20, CPUQuota: 50_000, CPUPeriod: 100_000},
		"added": {MemoryLimit: 64 << 20, CPUQuota: 5_000, CPUPeriod: 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			group := newGroup(t, r)
			c := define(t, moduleFile(t, enginetest.Spin("spinning\n")))
			c.options.Cgroup = group
			c.start()
			tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/cgroup", c.process.Pid))
			if err != nil || len(tasks) == 0 {
				t.Fatal(tasks, err)
			}
			for _, task := range tasks {
				raw, err := os.ReadFile(task)
				if err != nil {
					t.Fatal(err)
				}
				for _, controller := range []string{"memory", "cpu", "pids"} {
					if !inGroup(string(raw), controller, group.Path()) {
						t.Errorf("%s: %s:\n%s", task, controller, raw)
					}
				}
			}
			pids, err := group.Processes()
			if err != nil || !slices.Equal(pids, []int{c.process.Pid}) {
				t.Errorf("the group has %v, %v", pids, err)
			}
		})
	}
}

// inGroup reads a process's list of groups (cgroups(7)).
func inGroup(list, controller, path string) bool {
	for line := range strings.Lines(list) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if (fields[1] == "" || slices.Contains(strings.Split(fields[1], ","), controller)) && fields[2] == path {
			return true
		}
	}
	return false
}
