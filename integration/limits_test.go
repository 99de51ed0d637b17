// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// TestCPULimit is set in the container's cgroup, below the pod's, and slows a
// guest that spins.
func TestCPULimit(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("busy", `
containers:
- name: main
  image: registry.example/tiny/spin:1.0
  resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}
`)
	p := s.wait("busy", lab.Running)
	dir := cgroupOf(t, "cpu", containerID(t, p, "main"))
	contains(t, "path of the cgroup", dir, "kubepods/burstable/pod"+p.Metadata.UID)
	equal(t, "quota and period", cpuMax(t, dir), "20000 100000")
	if !unified() {
		equal(t, "shares", cgroupFile(t, dir, "cpu.shares", ""), "102")
	}
	first := throttled(t, dir)
	s.until(func() error {
		if now := throttled(t, dir); now < first+10 {
			return fmt.Errorf("throttled %d times, then %d times", first, now)
		}
		return nil
	})
}

// cpuMax is the quota and the period of a cgroup, in the form of v2's cpu.max.
func cpuMax(t *testing.T, dir string) string {
	t.Helper()
	if unified() {
		return cgroupFile(t, dir, "", "cpu.max")
	}
	return cgroupFile(t, dir, "cpu.cfs_quota_us", "") + " " + cgroupFile(t, dir, "cpu.cfs_period_us", "")
}

// throttled is how often the processes of a cgroup had to wait for their quota.
func throttled(t *testing.T, dir string) int {
	t.Helper()
	for line := range strings.Lines(cgroupFile(t, dir, "cpu.stat", "cpu.stat")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "nr_throttled "); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s/cpu.stat has no nr_throttled", dir)
	return 0
}

// TestMemoryLimit ends a guest that wants more with OOMKilled, and lets one be
// that stays within.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("hog", `
containers:
- name: main
  image: registry.example/tiny/hog:1.0
  resources: {limits: {memory: 64Mi}}
`)
	s.pod("modest", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, alloc, "16", --, pause]
  resources: {limits: {memory: 128Mi}}
`)
	equal(t, "reason", s.fails("hog", 137).Reason, "OOMKilled")
	p := s.wait("modest", lab.Running)
	dir := cgroupOf(t, "memory", containerID(t, p, "main"))
	equal(t, "limit", cgroupFile(t, dir, "memory.limit_in_bytes", "memory.max"), "134217728")
	s.until(func() error {
		if log := s.logs("modest"); log != "16777216\n" {
			return fmt.Errorf("log: %q", log)
		}
		return nil
	})
}

// TestRestartAfterOOM starts a container again that was killed for its memory.
func TestRestartAfterOOM(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("hog", `
restartPolicy: Always
containers:
- name: main
  image: registry.example/tiny/hog:1.0
  resources: {limits: {memory: 64Mi}}
`)
	last := s.wait("hog", lab.Restarted("main", 1)).Container("main").LastState.Terminated
	if last == nil || last.Reason != "OOMKilled" || last.ExitCode != 137 {
		t.Errorf("last state: %+v, want OOMKilled with 137", last)
	}
}

// summary is the part of the kubelet's /stats/summary that kubectl top shows.
type summary struct {
	Pods []struct {
		PodRef     struct{ Name, Namespace string }
		CPU        cpuStats
		Memory     memoryStats
		Containers []struct {
			Name   string
			CPU    cpuStats
			Memory memoryStats
		}
	}
}

type cpuStats struct{ UsageNanoCores, UsageCoreNanoSeconds uint64 }

type memoryStats struct{ WorkingSetBytes uint64 }

// TestStatsSummary shows the cpu and memory of a pod and of its container.
func TestStatsSummary(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("busy", `
containers:
- name: main
  image: registry.example/tiny/spin:1.0
  resources: {limits: {cpu: 200m, memory: 64Mi}}
`)
	s.wait("busy", lab.Running)
	s.until(func() error {
		var got summary
		raw := s.kubectl("get", "--raw", "/api/v1/nodes/"+cluster.Node()+"/proxy/stats/summary")
		if err := json.Unmarshal([]byte(raw), &got); err != nil {
			return err
		}
		for _, pod := range got.Pods {
			if pod.PodRef.Namespace != s.name {
				continue
			}
			if len(pod.Containers) != 1 {
				return fmt.Errorf("%d containers", len(pod.Containers))
			}
			c := pod.Containers[0]
			for what, value := range map[string]uint64{
				"pod cpu": pod.CPU.UsageNanoCores, "pod cpu time": pod.CPU.UsageCoreNanoSeconds, "pod memory": pod.Memory.WorkingSetBytes,
				"container cpu": c.CPU.UsageNanoCores, "container cpu time": c.CPU.UsageCoreNanoSeconds, "container memory": c.Memory.WorkingSetBytes,
			} {
				if value == 0 {
					return fmt.Errorf("%s is 0", what)
				}
			}
			if c.CPU.UsageNanoCores > 400e6 {
				return fmt.Errorf("container uses %d nanocores, its limit is 200e6", c.CPU.UsageNanoCores)
			}
			return nil
		}
		return fmt.Errorf("the pod is not in the summary")
	})
}
