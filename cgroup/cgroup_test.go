// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"context"
	"errors"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
)

func TestLimitsAreSetBeforeAProcessIsIn(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{
		CPUShares: 512, CPUQuota: 50_000, CPUPeriod: 100_000,
		MemoryLimit: 64 << 20, MemorySwapLimit: 64 << 20, PidsLimit: 33, CPUSetCPUs: "0", CPUSetMems: "0",
		HugepageLimits: map[string]uint64{"2MB": 0, "64TB": 0}, // as the kubelet sends them
	})
	if want := root() + "/pod/c0"; g.Path() != want {
		t.Errorf("path %s, want %s", g.Path(), want)
	}
	expect(t, g, map[string]string{"pids.max": "33", "cpuset.cpus": "0", "cpuset.mems": "0", "cgroup.procs": ""})
	if unified() {
		expect(t, g, map[string]string{"cpu.weight": "59", "cpu.max": "50000 100000", "memory.max": "67108864", "memory.swap.max": "0"})
	} else {
		expect(t, g, map[string]string{
			"cpu.shares": "512", "cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000",
			"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864",
		})
	}
}

func TestOwnPodParentHasACpuset(t *testing.T) {
	tr := tree(t)
	if err := tr.CreatePodParent("pod"); err != nil {
		t.Fatal(err)
	}
	if err := tr.CreatePodParent("pod"); err != nil { // a retry
		t.Error(err)
	}
	g := create(t, tr, cgroup.Resources{})
	if !unified() {
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			if file(t, g, name) == "" {
				t.Errorf("%s is empty: no process could join", name)
			}
		}
	}
	a := start(t, "idle")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Error(err)
	}
	if err := tr.RemovePodParent("pod"); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("removing a pod's cgroup with a process in it: %v", err)
	}
}

func TestRemovingWhatIsAbsent(t *testing.T) {
	tr := tree(t)
	if err := tr.RemovePodParent("never"); err != nil {
		t.Error(err)
	}
	g := create(t, tr, cgroup.Resources{})
	for range 2 {
		if err := g.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := g.Kill(); err != nil {
		t.Error(err)
	}
	if left := hierarchies(t, g.Path()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := g.Usage(); !errdefs.IsNotFound(err) {
		t.Errorf("usage of a removed group: %v", err)
	}
	if _, err := g.Stats(); !errdefs.IsNotFound(err) {
		t.Errorf("stats: %v", err)
	}
	if _, err := g.OOMKills(); !errdefs.IsNotFound(err) {
		t.Errorf("OOM kills: %v", err)
	}
	if err := g.Update(cgroup.Resources{CPUShares: 2}); !errdefs.IsNotFound(err) {
		t.Errorf("update: %v", err)
	}
	if _, err := tr.Load(tr.PodParent("pod"), "c0"); !errdefs.IsNotFound(err) {
		t.Errorf("load: %v", err)
	}
}

func TestWhatCannotBeDoneIsRefusedWhole(t *testing.T) {
	tr := tree(t)
	type refusal struct {
		parent, id string
		r          cgroup.Resources
		says       string
	}
	cases := map[string]refusal{
		"systemd parent":      {"/kubepods.slice/a.slice", "c0", cgroup.Resources{}, "systemd slice"},
		"no parent":           {"", "c0", cgroup.Resources{}, "empty"},
		"climbing id":         {root(), "..", cgroup.Resources{}, "cgroup name"},
		"unknown page size":   {root(), "c0", cgroup.Resources{HugepageLimits: map[string]uint64{"3MB": 1}}, "huge pages of 3MB"},
		"absent cpu":          {root(), "c0", cgroup.Resources{CPUSetCPUs: "4000"}, "cpuset.cpus"},
		"swap below memory":   {root(), "c0", cgroup.Resources{MemoryLimit: 64 << 20, MemorySwapLimit: 32 << 20}, "memory"},
		"a period of a fly":   {root(), "c0", cgroup.Resources{CPUPeriod: 1}, "cpu"},
		"a limit after a bad": {root(), "c0", cgroup.Resources{PidsLimit: 3, CPUSetMems: "99"}, "cpuset.mems"},
	}
	if unified() {
		cases["a file that is none"] = refusal{root(), "c0", cgroup.Resources{Unified: map[string]string{"memory.hihg": "1"}}, "memory.hihg"}
	} else {
		cases["unified on v1"] = refusal{root(), "c0", cgroup.Resources{Unified: map[string]string{"memory.high": "1"}}, "cgroup v2"}
	}
	if _, err := os.Stat("/sys/fs/cgroup/hugetlb"); err != nil && !unified() {
		cases["no hugetlb"] = refusal{root(), "c0", cgroup.Resources{HugepageLimits: map[string]uint64{"2MB": 1}}, "controller hugetlb"}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g, err := tr.Create(c.parent, c.id, c.r)
			if err == nil {
				err = errors.Join(errors.New("accepted"), g.Remove(t.Context()))
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: does not say %q", err, c.says)
			}
			if left := hierarchies(t, root()+"/c0"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	for _, c := range []struct {
		driver cgroup.Driver
		root   string
	}{{"docker", "/wazelet"}, {cgroup.Cgroupfs, "/"}, {cgroup.Cgroupfs, ""}, {cgroup.Cgroupfs, "/../.."}} {
		if _, err := cgroup.Open(c.driver, c.root); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s %q: %v", c.driver, c.root, err)
		}
	}
	// This test's host either runs systemd or must be told so.
	_, err := cgroup.Open(cgroup.Systemd, "/wazelet")
	if _, booted := os.Lstat("/run/systemd/system"); (booted == nil) != (err == nil) {
		t.Errorf("systemd: %v", err)
	}
}

func TestLeftoverGroupIsReplacedUnlessInUse(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{PidsLimit: 5})
	again, err := tr.Create(tr.PodParent("pod"), "c0", cgroup.Resources{})
	if err != nil {
		t.Fatal(err)
	}
	if got := file(t, again, "pids.max"); got != "max" {
		t.Errorf("pids.max %s is the former group's", got)
	}
	a := start(t, "idle")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Create(tr.PodParent("pod"), "c0", cgroup.Resources{}); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a group in use: %v", err)
	}
	if got := file(t, g, "cgroup.procs"); got != strconv.Itoa(a.cmd.Process.Pid) {
		t.Errorf("processes %s", got)
	}
}

func TestStatsOfABusyProcess(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{MemoryLimit: 256 << 20})
	before := time.Now()
	if s, err := g.Stats(); err != nil || s.CPUUsageNano != 0 || s.Pids != 0 || s.MemoryLimit != 256<<20 {
		t.Errorf("an empty group: %+v, %v", s, err)
	}
	a := start(t, "burn")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	a.act()
	a.expect("done")
	loaded, err := tr.Load(tr.PodParent("pod"), "c0") // as after a restart
	if err != nil {
		t.Fatal(err)
	}
	s, err := loaded.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.CPUUsageNano < 20e6 || s.CPUUsageNano > 60e9 {
		t.Errorf("%d ns of CPU for a process that burned 200 ms", s.CPUUsageNano)
	}
	if s.Pids == 0 || s.PageFaults == 0 || s.MemoryRSS < 15<<20 || s.MemoryUsage < 15<<20 || s.Time.Before(before) {
		t.Errorf("%+v: the process touched 16 MiB", s)
	}
	if s.MemoryRSS > s.MemoryUsage || s.MemoryWorkingSet > s.MemoryUsage || s.MemoryUsage > s.MemoryDetail.Peak {
		t.Errorf("parts exceed the whole: %+v", s)
	}
	// What both read does not become less.
	if u, err := loaded.Usage(); err != nil || u.CPUUsageNano < s.CPUUsageNano || u.PageFaults < s.PageFaults || u.MemoryLimit != s.MemoryLimit || u.Time.Before(s.Time) {
		t.Errorf("%+v, %v, after %+v", u, err, s.Usage)
	}
	if s.CPUUserNano == 0 || s.Processes != 1 || s.Processes > s.Pids {
		t.Errorf("one process that computes: %+v", s)
	}
	pod, err := tr.Parent(tr.PodParent("pod"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := pod.Stats()
	if err != nil || whole.CPUUsageNano < s.CPUUsageNano || whole.Processes != 1 || whole.MemoryRSS < 15<<20 {
		t.Errorf("the group above: %+v, %v", whole, err)
	}
	if _, err := tr.Parent(tr.PodParent("absent")); !errdefs.IsNotFound(err) {
		t.Errorf("a group that is not there: %v", err)
	}
}

func TestUpdateChangesOnlyWhatIsNamed(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{CPUShares: 512, MemoryLimit: 64 << 20, MemorySwapLimit: 64 << 20})
	if err := g.Update(cgroup.Resources{MemoryLimit: 128 << 20, MemorySwapLimit: 128 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := g.Update(cgroup.Resources{PidsLimit: -1, CPUQuota: -1}); err != nil {
		t.Fatal(err)
	}
	expect(t, g, map[string]string{"pids.max": "max"})
	if unified() {
		expect(t, g, map[string]string{"memory.max": "134217728", "memory.swap.max": "0", "cpu.weight": "59", "cpu.max": "max 100000"})
	} else {
		expect(t, g, map[string]string{
			"memory.limit_in_bytes": "134217728", "memory.memsw.limit_in_bytes": "134217728",
			"cpu.shares": "512", "cpu.cfs_quota_us": "-1",
		})
	}
	if s, err := g.Stats(); err != nil || s.MemoryLimit != 128<<20 || s.SwapLimit == nil || *s.SwapLimit != 0 || s.PidsLimit != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := g.Update(cgroup.Resources{MemoryLimit: -1}); err != nil {
		t.Fatal(err)
	}
	if s, err := g.Stats(); err != nil || s.MemoryLimit != 0 || s.SwapLimit != nil {
		t.Errorf("without a limit: %d, %v", s.MemoryLimit, err)
	}
}

// TestCPUsAreMovedLive: the parents of the group have their cpus too, or the
// kernel would not take any.
func TestCPUsAreMovedLive(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{CPUSetCPUs: "0"})
	a := start(t, "idle")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	last := strconv.Itoa(goruntime.NumCPU() - 1)
	for _, cpus := range []string{last, "0"} {
		if err := g.Update(cgroup.Resources{CPUSetCPUs: cpus, CPUSetMems: "0"}); err != nil {
			t.Fatal(err)
		}
		expect(t, g, map[string]string{"cpuset.cpus": cpus, "cpuset.mems": "0"})
	}
}

// TestMemoryLimitBelowUseIsRefused, and what is in use may still be limited.
func TestMemoryLimitBelowUseIsRefused(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{MemoryLimit: 256 << 20, MemorySwapLimit: 256 << 20})
	a := start(t, "burn") // touches 16 MiB
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	a.act()
	a.expect("done")
	err := g.Update(cgroup.Resources{MemoryLimit: 1 << 20, MemorySwapLimit: 1 << 20})
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "memory limit of 1048576 bytes: ") {
		t.Errorf("%v", err)
	}
	if s, err := g.Stats(); err != nil || s.MemoryLimit != 256<<20 {
		t.Errorf("the limit is %d, %v", s.MemoryLimit, err)
	}
	if err := g.Update(cgroup.Resources{MemoryLimit: 128 << 20, MemorySwapLimit: 128 << 20, CPUShares: 512}); err != nil {
		t.Error(err)
	}
}

func TestOOMKillsAreCounted(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{MemoryLimit: 32 << 20, MemorySwapLimit: 32 << 20})
	if n, err := g.OOMKills(); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	a := start(t, "hog")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	a.act()
	if how := a.end(); how != "signal: killed" {
		t.Fatalf("the hog ended with %s", how)
	}
	if n, err := g.OOMKills(); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestKillReachesEveryProcess(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{})
	outside := start(t, "idle")
	a := start(t, "breed")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	a.act()
	a.expect("done")
	if n := len(strings.Fields(file(t, g, "cgroup.procs"))); n != 4 {
		t.Fatalf("%d processes in the group, want 4", n)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if how := a.end(); how != "signal: killed" {
		t.Errorf("ended with %s", how)
	}
	if err := g.Remove(t.Context()); err != nil { // waits for the children, which are init's now
		t.Error(err)
	}
	outside.act()
	outside.expect("done")
}

func TestRemoveWaitsNoLongerThanItsContext(t *testing.T) {
	tr := tree(t)
	g := create(t, tr, cgroup.Resources{})
	a := start(t, "idle")
	if err := g.Add(a.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := g.Remove(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), strconv.Itoa(a.cmd.Process.Pid)) {
		t.Errorf("%v: want the deadline and the process named", err)
	}
	if err := g.Add(1 << 30); err == nil || !strings.Contains(err.Error(), "process 1073741824") {
		t.Errorf("adding a process that is none: %v", err)
	}
}

// BenchmarkUsage is what is read of each container of a node every few seconds;
// BenchmarkStats what metrics add to it.
func BenchmarkUsage(b *testing.B) {
	benchmarkReading(b, func(g *cgroup.Group) error { _, err := g.Usage(); return err })
}

func BenchmarkStats(b *testing.B) {
	benchmarkReading(b, func(g *cgroup.Group) error { _, err := g.Stats(); return err })
}

func benchmarkReading(b *testing.B, read func(*cgroup.Group) error) {
	g := create(b, tree(b), cgroup.Resources{MemoryLimit: 256 << 20})
	b.ReportAllocs()
	for b.Loop() {
		if err := read(g); err != nil {
			b.Fatal(err)
		}
	}
}
