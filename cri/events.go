// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

// eventService tells of changes as they happen (evented PLEG, KEP-3386).
type eventService struct {
	containers containerService
}

// GetContainerEvents sends the events of all containers and sandboxes until the
// client goes, falls too far behind (ResourceExhausted) or the daemon stops
// (Unavailable). The headers come once the subscription is made: from then on
// the client misses nothing.
func (s eventService) GetContainerEvents(_ *runtimeapi.GetEventsRequest, stream grpc.ServerStreamingServer[runtimeapi.ContainerEventResponse]) error {
	events := s.containers.runtime.Subscribe()
	defer events.Close()
	if err := stream.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	for {
		e, err := events.Next(stream.Context())
		if err != nil {
			return err
		}
		if e.Sandbox.Adopted && e.ID == e.Sandbox.ID {
			continue // the runtime whose pod it is tells of it
		}
		if err := stream.Send(s.response(stream.Context(), e)); err != nil {
			return err
		}
	}
}

// response is an event as CRI shows it. As with containerd, a sandbox has
// events of its own, under its own id.
func (s eventService) response(ctx context.Context, e runtime.Event) *runtimeapi.ContainerEventResponse {
	resp := &runtimeapi.ContainerEventResponse{
		ContainerId:        e.ID,
		ContainerEventType: eventType(e.Type),
		CreatedAt:          e.At.UnixNano(),
	}
	if e.Sandbox.ID != "" {
		resp.PodSandboxStatus = sandboxStatus(e.Sandbox)
	}
	for _, c := range e.Containers {
		resp.ContainersStatuses = append(resp.ContainersStatuses, containerStatus(c, s.containers.imageRef(ctx, &c)))
	}
	return resp
}

func eventType(t runtime.EventType) runtimeapi.ContainerEventType {
	switch t {
	case runtime.EventCreated:
		return runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT
	case runtime.EventStarted:
		return runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT
	case runtime.EventStopped:
		return runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT
	default:
		return runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT
	}
}
