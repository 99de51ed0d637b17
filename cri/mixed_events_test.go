// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// next are the next events of one container or sandbox, whatever else is told between.
func next(t *testing.T, events grpc.ServerStreamingClient[runtimeapi.ContainerEventResponse], id string, n int) (kinds []runtimeapi.ContainerEventType) {
	t.Helper()
	for len(kinds) < n {
		e, err := events.Recv()
		must(t, err)
		if e.GetContainerId() != id {
			continue
		}
		if e.GetPodSandboxStatus().GetMetadata().GetUid() == "" {
			t.Errorf("event without its pod: %v", e)
		}
		kinds = append(kinds, e.GetContainerEventType())
	}
	return kinds
}

// TestEventsOfBothSides: one stream tells of the pods of both, and of what happened
// upstream while the node did not see it.
func TestEventsOfBothSides(t *testing.T) {
	n := newMixedNode(t, time.Minute)
	ctx := t.Context()
	imageID := n.back.pull(n.back.publishModule("spin:v1", enginetest.Spin("on\n")))
	events := n.subscribe()
	const (
		created = runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT
		started = runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT
		stopped = runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT
		deleted = runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT
	)
	expect := func(id string, want ...runtimeapi.ContainerEventType) {
		t.Helper()
		for i, kind := range next(t, events, id, len(want)) {
			if kind != want[i] {
				t.Errorf("event %d is %v, want %v", i, kind, want[i])
			}
		}
	}
	expect(n.run(n.pod("ours")), created, started)
	pod := n.pod("theirs")
	podID := n.runUpstream(pod)
	expect(podID, created, started)
	id := n.create(podID, n.container("c", n.back.ref("spin:v1"), imageID), pod)
	must(t, n.runtime.StartContainer(ctx, id))
	expect(id, created, started)

	n.gate.shut()
	n.awaitUpstream(false)
	must(t, n.back.runtime.StopContainer(ctx, id, 0))
	must(t, n.back.runtime.RemoveContainer(ctx, id))
	later := n.pod("later")
	laterID, err := n.back.runtime.RunPodSandbox(ctx, later, "upstream")
	must(t, err)
	n.gate.open()
	seen := map[string]bool{}
	for !seen[id+deleted.String()] || !seen[id+stopped.String()] || !seen[laterID+started.String()] {
		e, err := events.Recv()
		must(t, err)
		seen[e.GetContainerId()+e.GetContainerEventType().String()] = true
	}
	must(t, n.runtime.StopPodSandbox(ctx, laterID))
	expect(laterID, stopped)
}
