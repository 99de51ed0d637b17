// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
)

// TestSystemd is a container's life in a scope. On a host without systemd it is
// that the driver says so.
func TestSystemd(t *testing.T) {
	name := fmt.Sprintf("wazelettest%d", os.Getpid())
	tr, err := cgroup.Open(cgroup.Systemd, "/"+name)
	if _, missing := os.Lstat("/run/systemd/system"); missing != nil {
		if !errdefs.IsFailedPrecondition(err) {
			t.Errorf("without systemd: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := tr.CreatePodParent("pod"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := tr.RemovePodParent("pod"); err != nil {
			t.Error(err)
		}
		if left := hierarchies(t, "/"+name+".slice/"+name+"-pod.slice"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if out, err := exec.Command("systemctl", "stop", name+".slice").CombinedOutput(); err != nil {
			t.Errorf("the root slice: %v, %s", err, out)
		}
	})
	t.Run("life", func(t *testing.T) { systemdLife(t, tr, name) })
	t.Run("out of memory", func(t *testing.T) { systemdOOM(t, tr) })
}

func systemdLife(t *testing.T, tr *cgroup.Tree, name string) {
	g, err := tr.Create(tr.PodParent("pod"), "c0", cgroup.Resources{
		CPUShares: 512, MemoryLimit: 256 << 20, MemorySwapLimit: 256 << 20, PidsLimit: 333,
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("/%s.slice/%[1]s-pod.slice/wazelet-c0.scope", name); g.Path() != want {
		t.Errorf("path %s, want %s", g.Path(), want)
	}
	if _, err := g.Stats(); !errdefs.IsNotFound(err) {
		t.Errorf("a scope without a process: %v", err)
	}
	if err := g.Update(cgroup.Resources{PidsLimit: 1}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a scope without a process: %v", err)
	}
	a, idle := start(t, "burn"), start(t, "idle")
	for _, pid := range []int{a.cmd.Process.Pid, idle.cmd.Process.Pid} {
		if err := g.Add(pid); err != nil {
			t.Fatal(err)
		}
	}
	if unified() {
		expect(t, g, map[string]string{"memory.max": "268435456", "memory.swap.max": "0", "cpu.weight": "59"})
	}
	expect(t, g, map[string]string{"pids.max": "333"})
	if err := g.Update(cgroup.Resources{PidsLimit: 44}); err != nil {
		t.Error(err)
	}
	expect(t, g, map[string]string{"pids.max": "44"})
	a.act()
	a.expect("done")
	loaded, err := tr.Load(tr.PodParent("pod"), "c0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := loaded.Stats()
	if err != nil || s.CPUUsageNano < 20e6 || s.Pids == 0 || s.MemoryLimit != 256<<20 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := loaded.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*actor{a, idle} {
		if how := a.end(); how != "signal: killed" {
			t.Errorf("ended with %s", how)
		}
	}
	for range 2 {
		if err := errors.Join(loaded.Remove(t.Context()), loaded.Kill()); err != nil {
			t.Error(err)
		}
	}
	if _, err := tr.Load(tr.PodParent("pod"), "c0"); !errdefs.IsNotFound(err) {
		t.Errorf("%v", err)
	}
}

func systemdOOM(t *testing.T, tr *cgroup.Tree) {
	g, err := tr.Create(tr.PodParent("pod"), "c1", cgroup.Resources{MemoryLimit: 32 << 20, MemorySwapLimit: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Kill(), g.Remove(t.Context())); err != nil && !errdefs.IsNotFound(err) {
			t.Error(err)
		}
	})
	a := start(t, "hog")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	a.act()
	if how := a.end(); how != "signal: killed" {
		t.Fatalf("the hog ended with %s", how)
	}
	// systemd may have removed the scope of a dead process by now.
	if n, err := g.OOMKills(); n != 1 && !errdefs.IsNotFound(err) {
		t.Errorf("%d, %v", n, err)
	}
}
