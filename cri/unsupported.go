// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// unsupported is the answer of an RPC that is not served. The kubelet knows
// Unimplemented for each of them and does without, or tells the user the text.
func unsupported(method, why string) error {
	return errdefs.ErrNotImplemented.WithMessage(method + ": " + why)
}

const (
	whyNoCheckpoint = "the state of a Wasm guest cannot be written down"
	whyNoEvents     = "events are not sent; the kubelet lists containers instead"
	whyNoMetrics    = "metrics in cAdvisor's form are not served; PodSandboxStats and ContainerStats are"
	whyNoStream     = "lists are not streamed; the list in one message is served"
)

// checkpointService answers the RPCs that save and restore containers.
type checkpointService struct{}

// CheckpointContainer is not served.
func (checkpointService) CheckpointContainer(context.Context, *runtimeapi.CheckpointContainerRequest) (*runtimeapi.CheckpointContainerResponse, error) {
	return nil, unsupported("CheckpointContainer", whyNoCheckpoint)
}

// CheckpointPod is not served.
func (checkpointService) CheckpointPod(context.Context, *runtimeapi.CheckpointPodRequest) (*runtimeapi.CheckpointPodResponse, error) {
	return nil, unsupported("CheckpointPod", whyNoCheckpoint)
}

// RestorePod is not served.
func (checkpointService) RestorePod(context.Context, *runtimeapi.RestorePodRequest) (*runtimeapi.RestorePodResponse, error) {
	return nil, unsupported("RestorePod", whyNoCheckpoint)
}

// eventService answers the RPCs that tell of changes and measurements.
type eventService struct{}

// GetContainerEvents is not served.
func (eventService) GetContainerEvents(*runtimeapi.GetEventsRequest, grpc.ServerStreamingServer[runtimeapi.ContainerEventResponse]) error {
	return unsupported("GetContainerEvents", whyNoEvents)
}

// ListMetricDescriptors is not served.
func (eventService) ListMetricDescriptors(context.Context, *runtimeapi.ListMetricDescriptorsRequest) (*runtimeapi.ListMetricDescriptorsResponse, error) {
	return nil, unsupported("ListMetricDescriptors", whyNoMetrics)
}

// ListPodSandboxMetrics is not served.
func (eventService) ListPodSandboxMetrics(context.Context, *runtimeapi.ListPodSandboxMetricsRequest) (*runtimeapi.ListPodSandboxMetricsResponse, error) {
	return nil, unsupported("ListPodSandboxMetrics", whyNoMetrics)
}

// listStreamService answers the lists in parts. The kubelet takes
// Unimplemented on the first part for good and uses the unary list.
type listStreamService struct{}

// StreamPodSandboxes is not served.
func (listStreamService) StreamPodSandboxes(*runtimeapi.StreamPodSandboxesRequest, grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxesResponse]) error {
	return unsupported("StreamPodSandboxes", whyNoStream)
}

// StreamContainers is not served.
func (listStreamService) StreamContainers(*runtimeapi.StreamContainersRequest, grpc.ServerStreamingServer[runtimeapi.StreamContainersResponse]) error {
	return unsupported("StreamContainers", whyNoStream)
}

// StreamContainerStats is not served.
func (listStreamService) StreamContainerStats(*runtimeapi.StreamContainerStatsRequest, grpc.ServerStreamingServer[runtimeapi.StreamContainerStatsResponse]) error {
	return unsupported("StreamContainerStats", whyNoStream)
}

// StreamPodSandboxStats is not served.
func (listStreamService) StreamPodSandboxStats(*runtimeapi.StreamPodSandboxStatsRequest, grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxStatsResponse]) error {
	return unsupported("StreamPodSandboxStats", whyNoStream)
}

// StreamPodSandboxMetrics is not served.
func (listStreamService) StreamPodSandboxMetrics(*runtimeapi.StreamPodSandboxMetricsRequest, grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxMetricsResponse]) error {
	return unsupported("StreamPodSandboxMetrics", whyNoMetrics)
}

// imageStreamService is the image service's part of listStreamService.
type imageStreamService struct{}

// StreamImages is not served.
func (imageStreamService) StreamImages(*runtimeapi.StreamImagesRequest, grpc.ServerStreamingServer[runtimeapi.StreamImagesResponse]) error {
	return unsupported("StreamImages", whyNoStream)
}
