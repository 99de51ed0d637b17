// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/integration/lab"
)

// resize asks for other limits of the pod's container main.
func (s *space) resize(pod, cpu, memory string) {
	s.t.Helper()
	s.in("patch", "pod", pod, "--subresource", "resize", "--patch", fmt.Sprintf(
		`{"spec": {"containers": [{"name": "main", "resources": {"limits": {"cpu": %q, "memory": %q}}}]}}`, cpu, memory))
}

// limits are the cpu quota of 100 ms and the memory limit of a container's cgroup.
func limits(t *testing.T, id string) string {
	t.Helper()
	quota, _, _ := strings.Cut(cpuMax(t, cgroupOf(t, "cpu", id)), " ")
	return quota + " " + cgroupFile(t, cgroupOf(t, "memory", id), "memory.limit_in_bytes", "memory.max")
}

const resources = `jsonpath={.status.containerStatuses[0].resources.limits.cpu} {.status.containerStatuses[0].resources.limits.memory}`

// TestResize changes the limits of a pod that runs, up and down, while its process
// goes on; the pod's status and the sandbox's tell.
func TestResize(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("busy", `
containers:
- name: main
  image: registry.example/tiny/spin:1.0
  resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: 200m, memory: 128Mi}}
`)
	id := containerID(t, s.wait("busy", lab.Running), "main")
	pid := workerPid(t, id)
	equal(t, "limits", limits(t, id), "20000 134217728")
	for _, to := range []struct{ cpu, memory, limits string }{
		{"400m", "256Mi", "40000 268435456"},
		{"100m", "96Mi", "10000 100663296"},
	} {
		s.resize("busy", to.cpu, to.memory)
		s.until(func() error {
			if got := limits(t, id); got != to.limits {
				return fmt.Errorf("limits of the cgroup %q, want %q", got, to.limits)
			}
			if got, want := s.in("get", "pod", "busy", "-o", resources), to.cpu+" "+to.memory; got != want {
				return fmt.Errorf("resources in the status %q, want %q", got, want)
			}
			return nil
		})
	}
	equal(t, "process", workerPid(t, id), pid)
	equal(t, "restarts", s.wait("busy", lab.Running).Container("main").RestartCount, 0)

	var container struct {
		Info struct {
			SandboxID string `json:"sandbox_id"`
		}
	}
	crictlJSON(s, &container, "inspect", "--output", "json", id)
	var pod struct {
		Info struct {
			Resized struct{ Resources cgroup.Resources }
		}
	}
	crictlJSON(s, &pod, "inspectp", "--output", "json", container.Info.SandboxID)
	if r := pod.Info.Resized.Resources; r.MemoryLimit != 96<<20 || r.CPUQuota != 10000 {
		text, err := json.Marshal(r)
		t.Errorf("the sandbox was told of %s, %v", text, err)
	}
}

// TestResizeByRestart makes a new container where the pod asks for that.
func TestResizeByRestart(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("restarted", `
restartPolicy: Always
containers:
- name: main
  image: registry.example/tiny/pause:1.0
  resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 100m, memory: 64Mi}}
`)
	before := containerID(t, s.wait("restarted", lab.Running), "main")
	s.resize("restarted", "100m", "128Mi")
	after := containerID(t, s.wait("restarted", func(p *lab.Pod) bool { return lab.Restarted("main", 1)(p) && lab.Ready(p) }), "main")
	if after == before {
		t.Error("the container is the same")
	}
	equal(t, "limits", limits(t, after), "10000 134217728")
}

// TestResizeBelowUse leaves a pod alone that uses more memory than it is to have,
// and says so.
func TestResizeBelowUse(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("large", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, alloc, "64", --, pause]
  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 500m, memory: 256Mi}}
`)
	id := containerID(t, s.wait("large", lab.Running), "main")
	s.until(func() error {
		if log := s.logs("large"); log != "67108864\n" {
			return fmt.Errorf("log: %q", log)
		}
		return nil
	})
	s.resize("large", "500m", "48Mi")
	s.until(func() error {
		got := s.in("get", "pod", "large", "-o", `jsonpath={.status.conditions[?(@.type=="PodResizeInProgress")].message}`)
		return present(got, "memory")
	})
	equal(t, "limits", limits(t, id), "50000 268435456")
	s.wait("large", lab.Running)
	// Directly, without the kubelet's look at what is used.
	out, err := cluster.Crictl(s.ctx, "update", "--memory", "50331648", id)
	if err == nil {
		t.Errorf("crictl update: %s", out.Stdout)
	} else {
		contains(t, "error", err.Error(), "memory limit of 50331648 bytes", "are in use")
	}
	equal(t, "limits", limits(t, id), "50000 268435456")
}

// TestPodLevelResources limits all containers of a pod together.
func TestPodLevelResources(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("hog", `
resources: {limits: {memory: 96Mi, cpu: 500m}}
containers:
- {name: main, image: 'registry.example/tiny/hog:1.0'}
- {name: other, image: 'registry.example/tiny/exit:1.0'}
`)
	equal(t, "reason", s.fails("hog", 137).Reason, "OOMKilled")
}

// present is an error unless every text is in s.
func present(s string, texts ...string) error {
	if absent := missing(s, texts...); absent != nil {
		return fmt.Errorf("no %q in %q", absent, s)
	}
	return nil
}

// TestCPUSet pins a container that runs to a processor and lets it go again.
func TestCPUSet(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("busy", "containers: [{name: main, image: 'registry.example/tiny/spin:1.0', resources: {limits: {cpu: 100m}}}]")
	id := containerID(t, s.wait("busy", lab.Running), "main")
	dir := cgroupOf(t, "cpuset", id)
	for _, cpus := range []string{"0", "0-1"} {
		if _, err := cluster.Crictl(s.ctx, "update", "--cpuset-cpus", cpus, id); err != nil {
			t.Fatal(err)
		}
		equal(t, "cpus", cgroupFile(t, dir, "cpuset.cpus", "cpuset.cpus"), cpus)
		equal(t, "quota after an update that did not name it", cpuMax(t, cgroupOf(t, "cpu", id)), "10000 100000")
	}
}

// TestPidsLimit: the limit of tasks that the kubelet gives each pod is above the
// worker, too.
func TestPidsLimit(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("holder", "containers: [{name: main, image: 'registry.example/tiny/pause:1.0'}]")
	id := containerID(t, s.wait("holder", lab.Running), "main")
	pod := filepath.Dir(cgroupOf(t, "pids", id))
	equal(t, "tasks that the pod may have", cgroupFile(t, pod, "pids.max", "pids.max"), "512")
	if cgroupFile(t, pod, "pids.current", "pids.current") == "0" {
		t.Error("the worker does not count as the pod's")
	}
}
