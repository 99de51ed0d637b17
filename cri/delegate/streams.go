// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri/parts"
)

// A list that is streamed is the merged unary one in parts.

func stream[A, T proto.Message, P any](s grpc.ServerStreamingServer[P], list func(context.Context) (A, error), items func(A) []T, part func([]T) *P) error {
	answer, err := list(s.Context())
	if err != nil {
		return err
	}
	if err := decode(answer); err != nil {
		return err
	}
	return parts.Send(items(answer), func(items []T) error { return s.Send(part(items)) })
}

// decode makes fields of what a message has encoded, as Wazelet's own lists have their
// items.
func decode(m proto.Message) error {
	encoded := m.ProtoReflect().GetUnknown()
	m.ProtoReflect().SetUnknown(nil)
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(encoded, m)
}

// StreamPodSandboxes lists the pods of both sides in parts.
func (r *Router) StreamPodSandboxes(q *runtimeapi.StreamPodSandboxesRequest, s grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxesResponse]) error {
	return stream(s, func(ctx context.Context) (*runtimeapi.ListPodSandboxResponse, error) {
		return r.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{Filter: q.GetFilter()})
	}, (*runtimeapi.ListPodSandboxResponse).GetItems, func(part []*runtimeapi.PodSandbox) *runtimeapi.StreamPodSandboxesResponse {
		return &runtimeapi.StreamPodSandboxesResponse{PodSandboxes: part}
	})
}

// StreamContainers lists the containers of both sides in parts.
func (r *Router) StreamContainers(q *runtimeapi.StreamContainersRequest, s grpc.ServerStreamingServer[runtimeapi.StreamContainersResponse]) error {
	return stream(s, func(ctx context.Context) (*runtimeapi.ListContainersResponse, error) {
		return r.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: q.GetFilter()})
	}, (*runtimeapi.ListContainersResponse).GetContainers, func(part []*runtimeapi.Container) *runtimeapi.StreamContainersResponse {
		return &runtimeapi.StreamContainersResponse{Containers: part}
	})
}

// StreamContainerStats measures the containers of both sides, in parts.
func (r *Router) StreamContainerStats(q *runtimeapi.StreamContainerStatsRequest, s grpc.ServerStreamingServer[runtimeapi.StreamContainerStatsResponse]) error {
	return stream(s, func(ctx context.Context) (*runtimeapi.ListContainerStatsResponse, error) {
		return r.ListContainerStats(ctx, &runtimeapi.ListContainerStatsRequest{Filter: q.GetFilter()})
	}, (*runtimeapi.ListContainerStatsResponse).GetStats, func(part []*runtimeapi.ContainerStats) *runtimeapi.StreamContainerStatsResponse {
		return &runtimeapi.StreamContainerStatsResponse{ContainerStats: part}
	})
}

// StreamPodSandboxStats measures the pods of both sides, in parts.
func (r *Router) StreamPodSandboxStats(q *runtimeapi.StreamPodSandboxStatsRequest, s grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxStatsResponse]) error {
	return stream(s, func(ctx context.Context) (*runtimeapi.ListPodSandboxStatsResponse, error) {
		return r.ListPodSandboxStats(ctx, &runtimeapi.ListPodSandboxStatsRequest{Filter: q.GetFilter()})
	}, (*runtimeapi.ListPodSandboxStatsResponse).GetStats, func(part []*runtimeapi.PodSandboxStats) *runtimeapi.StreamPodSandboxStatsResponse {
		return &runtimeapi.StreamPodSandboxStatsResponse{PodSandboxStats: part}
	})
}

// StreamPodSandboxMetrics measures the pods of both sides, in parts.
func (r *Router) StreamPodSandboxMetrics(_ *runtimeapi.StreamPodSandboxMetricsRequest, s grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxMetricsResponse]) error {
	return stream(s, func(ctx context.Context) (*runtimeapi.ListPodSandboxMetricsResponse, error) {
		return r.ListPodSandboxMetrics(ctx, &runtimeapi.ListPodSandboxMetricsRequest{})
	}, (*runtimeapi.ListPodSandboxMetricsResponse).GetPodMetrics, func(part []*runtimeapi.PodSandboxMetrics) *runtimeapi.StreamPodSandboxMetricsResponse {
		return &runtimeapi.StreamPodSandboxMetricsResponse{PodSandboxMetrics: part}
	})
}

// StreamImages lists the images of both sides in parts.
func (r ImageRouter) StreamImages(q *runtimeapi.StreamImagesRequest, s grpc.ServerStreamingServer[runtimeapi.StreamImagesResponse]) error {
	return stream(s, func(ctx context.Context) (*runtimeapi.ListImagesResponse, error) {
		return r.ListImages(ctx, &runtimeapi.ListImagesRequest{Filter: q.GetFilter()})
	}, (*runtimeapi.ListImagesResponse).GetImages, func(part []*runtimeapi.Image) *runtimeapi.StreamImagesResponse {
		return &runtimeapi.StreamImagesResponse{Images: part}
	})
}
