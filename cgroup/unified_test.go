// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cgroup"
)

// enterUnified turns this process into one that sees only cgroup v2, with the
// group it is in as the root of it: "unshare" leaves the host's namespaces and
// executes itself again, as namespaces are a thread's; "mount" goes on there.
func enterUnified(role string) {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	if role == "unshare" {
		goruntime.LockOSThread()
		check(unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP))
		check(os.Setenv(roleEnv, "mount"))
		check(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	}
	check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	check(unix.Unmount("/sys/fs/cgroup", unix.MNT_DETACH)) // v2 cannot lie over itself
	check(unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""))
	check(os.Unsetenv(roleEnv))
	check(os.Setenv(insideEnv, "1"))
}

const insideEnv = "WAZELET_CGROUP_TEST_UNIFIED"

// TestUnified runs the tests below on a hierarchy of version 2 beside that of
// version 1. On a host with version 2 alone the other tests of this package do
// that, and more.
func TestUnified(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		t.Run("life", testUnifiedLife)
		t.Run("missing controllers", testUnifiedMissingControllers)
		return
	}
	if unified() {
		return
	}
	dir := filepath.Join("/sys/fs/cgroup/unified", root()+"-v2")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	fd, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestUnified$", "-test.v")
	cmd.Env = append(os.Environ(), roleEnv+"=unshare")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(fd.Fd())}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: TestUnified/life") {
		t.Error(err)
	}
}

func testUnifiedLife(t *testing.T) {
	tr := tree(t)
	if err := tr.CreatePodParent("pod"); err != nil {
		t.Fatal(err)
	}
	g := create(t, tr, cgroup.Resources{
		HugepageLimits: map[string]uint64{"2MB": 0},
		Unified:        map[string]string{"cgroup.max.depth": "4"}, // a file that every group has
	})
	expect(t, g, map[string]string{"cgroup.max.depth": "4"})
	a, idle := start(t, "burn"), start(t, "idle")
	for _, pid := range []int{a.cmd.Process.Pid, idle.cmd.Process.Pid} {
		if err := g.Add(pid); err != nil {
			t.Fatal(err)
		}
	}
	a.act()
	a.expect("done")
	loaded, err := tr.Load(tr.PodParent("pod"), "c0")
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Update(cgroup.Resources{Unified: map[string]string{"cgroup.max.depth": "5"}}); err != nil {
		t.Error(err)
	}
	expect(t, loaded, map[string]string{"cgroup.max.depth": "5"})
	if err := loaded.Update(cgroup.Resources{Unified: map[string]string{"memory.hihg": "5"}}); err == nil || !strings.Contains(err.Error(), "memory.hihg") {
		t.Errorf("a file that is none: %v", err)
	}
	s, err := loaded.Stats()
	if err != nil || s.CPUUsageNano < 20e6 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*actor{a, idle} {
		if how := a.end(); how != "signal: killed" {
			t.Errorf("ended with %s", how)
		}
	}
	for range 2 {
		if err := errors.Join(g.Remove(t.Context()), g.Kill()); err != nil {
			t.Error(err)
		}
	}
	if _, err := g.Stats(); !errdefs.IsNotFound(err) {
		t.Errorf("stats of a removed group: %v", err)
	}
}

func testUnifiedMissingControllers(t *testing.T) {
	tr := tree(t)
	for controller, r := range map[string]cgroup.Resources{
		"memory": {MemoryLimit: 1 << 20},
		"cpu":    {CPUShares: 2},
		"pids":   {PidsLimit: 1},
		"cpuset": {CPUSetCPUs: "0"},
	} {
		_, err := tr.Create(root(), "c0", r)
		if err == nil || !strings.Contains(err.Error(), controller) {
			t.Errorf("%s: %v", controller, err)
		}
		if left := hierarchies(t, root()+"/c0"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
