// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/vm/node"
)

// podGroup makes a pod's cgroup below the kubelet's usual one, as the kubelet
// does, for a pod that is to have it.
func podGroup(t *testing.T, config *runtimeapi.PodSandboxConfig) {
	t.Helper()
	const kubepods = "/sys/fs/cgroup/kubepods"
	group := filepath.Join(kubepods, "pod"+config.GetMetadata().GetUid())
	if err := os.MkdirAll(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, dir := range []string{group, kubepods} {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	})
	for _, dir := range []string{"/sys/fs/cgroup", kubepods} {
		control := filepath.Join(dir, "cgroup.subtree_control")
		if err := os.WriteFile(control, []byte("+cpu +memory +pids +cpuset +io"), 0); err != nil {
			t.Fatal(err)
		}
	}
	config.Linux.CgroupParent = strings.TrimPrefix(group, "/sys/fs/cgroup")
}

// group is a container's cgroup, as its process has it.
type group struct {
	*node.Pod
	dir string
}

func groupOf(p *node.Pod, id string) group {
	p.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.Pid(id)))
	if err != nil {
		p.Fatal(err)
	}
	name, ok := strings.CutPrefix(strings.TrimSpace(string(raw)), "0::")
	if !ok || filepath.Base(name) != id {
		p.Fatalf("the worker is in %q", raw)
	}
	return group{p, filepath.Join("/sys/fs/cgroup", name)}
}

func (g group) read(name string) string {
	g.Helper()
	raw, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		g.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// is compares files of the group.
func (g group) is(want map[string]string) {
	g.Helper()
	for name, value := range want {
		if got := g.read(name); got != value {
			g.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

// field is a number of a file of the group that has a name and a number per line.
func (g group) field(file, name string) uint64 {
	g.Helper()
	for line := range strings.Lines(g.read(file)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			if err != nil {
				g.Fatal(err)
			}
			return n
		}
	}
	g.Fatalf("%s has no %s", file, name)
	return 0
}

// TestCgroupV2: the container's limits are in the files of a group below the
// pod's, from its first moment.
func TestCgroupV2(t *testing.T) {
	config := node.Sandbox("limits")
	podGroup(t, config)
	p := wazelet.Pod(t, config)
	c := node.Container(pause)
	c.Linux.Resources = &runtimeapi.LinuxContainerResources{
		CpuPeriod: 100000, CpuQuota: 50000, CpuShares: 512, MemoryLimitInBytes: 128 << 20, CpusetCpus: "0",
		Unified: map[string]string{"memory.high": "100663296", "pids.max": "40", "memory.low": "8388608"},
	}
	g := groupOf(p, p.Run(c))
	if parent := filepath.Dir(g.dir); parent != "/sys/fs/cgroup"+config.GetLinux().GetCgroupParent() {
		t.Errorf("the group lies in %s", parent)
	}
	g.is(map[string]string{
		"cpu.max": "50000 100000", "memory.max": "134217728", "cpuset.cpus": "0",
		"memory.high": "100663296", "memory.low": "8388608", "pids.max": "40",
	})
	if weight := g.read("cpu.weight"); weight == "100" {
		t.Errorf("cpu.weight is %s, the default", weight)
	}
}

// TestUnifiedIsRefused names the file that is no resource of a container's.
func TestUnifiedIsRefused(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("unified"))
	for _, key := range []string{"cgroup.procs", "memory.nowhere"} {
		c := node.Container(pause)
		c.Linux.Resources.Unified = map[string]string{key: "1"}
		if _, err := p.Create(c); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestOOMKilledOnV2 tells a kill for memory from any other, of the container and of
// a command in it.
func TestOOMKilledOnV2(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("oom"))
	c := node.Container(hog)
	c.Linux.Resources.MemoryLimitInBytes = 64 << 20
	if s := p.Ended(p.Run(c)); s.GetReason() != "OOMKilled" || s.GetExitCode() != 137 {
		t.Errorf("ended with %d, %s", s.GetExitCode(), s.GetReason())
	}
	c = node.Container(pause)
	c.Metadata.Attempt = 1
	c.Linux.Resources.MemoryLimitInBytes = 64 << 20
	id := p.Run(c)
	if _, err := p.Exec(id, "/hog.wasm"); err == nil || !strings.Contains(err.Error(), "137") {
		t.Errorf("a command without memory: %v", err)
	}
	if s := p.Status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_RUNNING {
		t.Fatalf("the container is %s beside a command that was killed", s.GetState())
	}
	if err := unix.Kill(p.Pid(id), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if s := p.Ended(id); s.GetReason() != "Error" || s.GetExitCode() != 137 {
		t.Errorf("killed by hand: %d, %s", s.GetExitCode(), s.GetReason())
	}
}

// TestThrottlingAndPressure: a guest that spins waits for its quota, and the
// statistics have that, and its pressure.
func TestThrottlingAndPressure(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("throttled"))
	c := node.Container(spin)
	c.Linux.Resources = &runtimeapi.LinuxContainerResources{CpuPeriod: 100000, CpuQuota: 20000, MemoryLimitInBytes: 128 << 20}
	id := p.Run(c)
	g := groupOf(p, id)
	p.Until(func() error {
		if n := g.field("cpu.stat", "nr_throttled"); n < 3 {
			return fmt.Errorf("throttled %d times", n)
		}
		s, err := wazelet.Runtime.ContainerStats(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if s.GetCpu().GetUsageCoreNanoSeconds().GetValue() == 0 || s.GetMemory().GetWorkingSetBytes().GetValue() == 0 {
			return fmt.Errorf("no use in %v", s)
		}
		if s.GetCpu().GetPsi().GetSome().GetTotal() == 0 {
			return fmt.Errorf("no pressure in %v", s.GetCpu())
		}
		if s.GetMemory().GetPsi() == nil || s.GetIo().GetPsi() == nil {
			return fmt.Errorf("no pressure of memory and input in %v", s)
		}
		return nil
	})
}

// TestResizeOnV2 changes the limits of a running container, and refuses less
// memory than it uses, which v2 would answer by killing it.
func TestResizeOnV2(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("resize"))
	c := node.Container(pause)
	c.Linux.Resources = &runtimeapi.LinuxContainerResources{CpuPeriod: 100000, CpuQuota: 20000, MemoryLimitInBytes: 64 << 20}
	id := p.Run(c)
	g := groupOf(p, id)
	resize := func(r *runtimeapi.LinuxContainerResources) error {
		return wazelet.Runtime.UpdateContainerResources(t.Context(), id, &runtimeapi.ContainerResources{Linux: r})
	}
	if err := resize(&runtimeapi.LinuxContainerResources{
		CpuPeriod: 100000, CpuQuota: 80000, MemoryLimitInBytes: 256 << 20, Unified: map[string]string{"pids.max": "50"},
	}); err != nil {
		t.Fatal(err)
	}
	g.is(map[string]string{"cpu.max": "80000 100000", "memory.max": "268435456", "pids.max": "50"})
	if err := resize(&runtimeapi.LinuxContainerResources{MemoryLimitInBytes: 1 << 20}); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("less than is in use: %v", err)
	}
	g.is(map[string]string{"memory.max": "268435456"})
	if s := p.Status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_RUNNING ||
		s.GetResources().GetLinux().GetMemoryLimitInBytes() != 256<<20 {
		t.Errorf("status %v", s)
	}
}

// TestPidsLimitOnV2 has no room for another process than the container's own, which may
// still want a thread: a command takes more.
func TestPidsLimitOnV2(t *testing.T) {
	p := wazelet.Pod(t, node.Sandbox("pids"))
	c := node.Container(pause)
	id := p.Run(c)
	g := groupOf(p, id)
	used, err := strconv.Atoi(g.read("pids.current"))
	if err != nil {
		t.Fatal(err)
	}
	limit := strconv.Itoa(used + 2)
	if err := wazelet.Runtime.UpdateContainerResources(t.Context(), id, &runtimeapi.ContainerResources{
		Linux: &runtimeapi.LinuxContainerResources{Unified: map[string]string{"pids.max": limit}},
	}); err != nil {
		t.Fatal(err)
	}
	g.is(map[string]string{"pids.max": limit})
	if out, err := p.Exec(id, "/touch.wasm"); err == nil {
		t.Errorf("a command ran: %q", out)
	}
	if g.field("pids.events", "max") == 0 {
		t.Error("the kernel has refused nothing")
	}
}

// TestNothingStaysOnV2 looks at what the pods of the other tests left behind.
func TestNothingStaysOnV2(t *testing.T) {
	left, err := filepath.Glob("/sys/fs/cgroup/wazelet/*/*/cgroup.procs")
	if err != nil || len(left) > 0 {
		t.Errorf("groups that stayed: %q, %v", left, err)
	}
}
