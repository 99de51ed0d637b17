// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// recordEvery is how often the recorder looks.
const recordEvery = 100 * time.Millisecond

// recorder looks at the node's lists all the time. What is expected must be in every
// list: a kubelet that misses a pod in one makes it anew.
type recorder struct {
	client client

	mu       sync.Mutex
	expected map[string]string // what is, by id: "pod" or "container"
	faults   []string
	looks    int
	slowest  time.Duration
	done     sync.WaitGroup
}

// record looks until the context ends.
func record(ctx context.Context, c client) *recorder {
	r := &recorder{client: c, expected: map[string]string{}}
	r.done.Go(func() {
		tick := time.NewTicker(recordEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.look(ctx)
			}
		}
	})
	return r
}

// expect has pods and containers that are there from now on.
func (r *recorder) expect(s started) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.pod != "" {
		r.expected[s.pod] = "pod"
	}
	if s.container != "" {
		r.expected[s.container] = "container"
	}
}

// forget no longer expects what is about to go.
func (r *recorder) forget(s started) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.expected, s.pod)
	delete(r.expected, s.container)
}

func (r *recorder) look(ctx context.Context) {
	r.mu.Lock()
	expected := make(map[string]string, len(r.expected))
	for id, kind := range r.expected {
		expected[id] = kind
	}
	r.mu.Unlock()
	begun := time.Now()
	seen, fault := r.lists(ctx)
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	r.slowest = max(r.slowest, time.Since(begun))
	if fault != "" {
		r.faults = append(r.faults, fault)
		return
	}
	for id, kind := range expected {
		if _, still := r.expected[id]; still && !seen[id] {
			r.faults = append(r.faults, fmt.Sprintf("%s: %s %s is missing", begun.Format(time.TimeOnly), kind, id))
		}
	}
}

// lists reads both lists, each whole and filtered as the kubelet does.
func (r *recorder) lists(ctx context.Context) (seen map[string]bool, fault string) {
	seen = map[string]bool{}
	pods, err := r.client.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return nil, fmt.Sprintf("ListPodSandbox: %v", err)
	}
	containers, err := r.client.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{
		State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING},
	}})
	if err != nil {
		return nil, fmt.Sprintf("ListContainers: %v", err)
	}
	if _, err := r.client.ListContainers(ctx, &runtimeapi.ListContainersRequest{}); err != nil {
		return nil, fmt.Sprintf("ListContainers: %v", err)
	}
	for _, sb := range pods.GetItems() {
		seen[sb.GetId()] = true
	}
	for _, c := range containers.GetContainers() {
		seen[c.GetId()] = true
	}
	return seen, ""
}

// verdict ends the recording, whose context has ended, and tells its faults.
func (r *recorder) verdict(t *testing.T) {
	t.Helper()
	r.done.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, fault := range r.faults {
		if i == 20 {
			t.Errorf("and %d more", len(r.faults)-i)
			break
		}
		t.Error(fault)
	}
	if r.looks == 0 {
		t.Error("nothing was recorded")
	}
	t.Logf("%d looks at the lists, the slowest took %s", r.looks, r.slowest.Round(time.Millisecond))
}

// pid is the process that a container is, as its runtime tells.
func (c client) pid(t testing.TB, containerID string) int {
	t.Helper()
	status, err := c.ContainerStatus(t.Context(), &runtimeapi.ContainerStatusRequest{ContainerId: containerID, Verbose: true})
	must(t, err)
	if state := status.GetStatus().GetState(); state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		t.Fatalf("container %s is %s: %v", containerID, state, status.GetStatus())
	}
	var info struct {
		Pid    int `json:"pid"`
		Worker struct {
			Pid int `json:"pid"`
		} `json:"worker"`
	}
	must(t, json.Unmarshal([]byte(status.GetInfo()["info"]), &info))
	if pid := max(info.Pid, info.Worker.Pid); pid > 0 {
		return pid
	}
	t.Fatalf("container %s: its runtime tells no pid: %s", containerID, status.GetInfo()["info"])
	return 0
}
