// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"errors"
	"io"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// TestStreamedListsAreTheUnaryOnes asks for each list both ways.
func TestStreamedListsAreTheUnaryOnes(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("spin:v1", enginetest.Spin("on\n"))
	imageID := n.pull(ref)
	for _, name := range []string{"a", "b"} {
		pod := n.pod(name)
		must(t, n.runtime.StartContainer(ctx, n.create(n.run(pod), n.container("c-"+name, ref, imageID), pod)))
	}
	r, i := runtimeapi.NewRuntimeServiceClient(n.conn), runtimeapi.NewImageServiceClient(n.conn)

	for _, label := range []map[string]string{nil, {"app": "b"}, {"app": "none"}} {
		unary, err := r.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{Filter: &runtimeapi.PodSandboxFilter{LabelSelector: label}})
		must(t, err)
		stream, err := r.StreamPodSandboxes(ctx, &runtimeapi.StreamPodSandboxesRequest{Filter: &runtimeapi.PodSandboxFilter{LabelSelector: label}})
		same(t, "pods", unary.GetItems(), received(t, stream, err, (*runtimeapi.StreamPodSandboxesResponse).GetPodSandboxes))

		stats, err := r.ListPodSandboxStats(ctx, &runtimeapi.ListPodSandboxStatsRequest{Filter: &runtimeapi.PodSandboxStatsFilter{LabelSelector: label}})
		must(t, err)
		statsStream, err := r.StreamPodSandboxStats(ctx, &runtimeapi.StreamPodSandboxStatsRequest{Filter: &runtimeapi.PodSandboxStatsFilter{LabelSelector: label}})
		sameIDs(t, "pod stats", stats.GetStats(), received(t, statsStream, err, (*runtimeapi.StreamPodSandboxStatsResponse).GetPodSandboxStats),
			func(s *runtimeapi.PodSandboxStats) string { return s.GetAttributes().GetId() })
	}
	for _, label := range []map[string]string{nil, {"container": "c-b"}, {"container": "none"}} {
		unary, err := r.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{LabelSelector: label}})
		must(t, err)
		stream, err := r.StreamContainers(ctx, &runtimeapi.StreamContainersRequest{Filter: &runtimeapi.ContainerFilter{LabelSelector: label}})
		same(t, "containers", unary.GetContainers(), received(t, stream, err, (*runtimeapi.StreamContainersResponse).GetContainers))

		stats, err := r.ListContainerStats(ctx, &runtimeapi.ListContainerStatsRequest{Filter: &runtimeapi.ContainerStatsFilter{LabelSelector: label}})
		must(t, err)
		statsStream, err := r.StreamContainerStats(ctx, &runtimeapi.StreamContainerStatsRequest{Filter: &runtimeapi.ContainerStatsFilter{LabelSelector: label}})
		sameIDs(t, "container stats", stats.GetStats(), received(t, statsStream, err, (*runtimeapi.StreamContainerStatsResponse).GetContainerStats),
			func(s *runtimeapi.ContainerStats) string { return s.GetAttributes().GetId() })
	}
	for _, name := range []string{"", ref, n.ref("none:v1")} {
		filter := &runtimeapi.ImageFilter{Image: &runtimeapi.ImageSpec{Image: name}}
		unary, err := i.ListImages(ctx, &runtimeapi.ListImagesRequest{Filter: filter})
		must(t, err)
		stream, err := i.StreamImages(ctx, &runtimeapi.StreamImagesRequest{Filter: filter})
		same(t, "images", unary.GetImages(), received(t, stream, err, (*runtimeapi.StreamImagesResponse).GetImages))
	}
	metrics, err := r.ListPodSandboxMetrics(ctx, &runtimeapi.ListPodSandboxMetricsRequest{})
	must(t, err)
	stream, err := r.StreamPodSandboxMetrics(ctx, &runtimeapi.StreamPodSandboxMetricsRequest{})
	sameIDs(t, "metrics", metrics.GetPodMetrics(), received(t, stream, err, (*runtimeapi.StreamPodSandboxMetricsResponse).GetPodSandboxMetrics),
		(*runtimeapi.PodSandboxMetrics).GetPodSandboxId)
}

// received reads a stream to its end.
func received[R, T any](t *testing.T, stream grpc.ServerStreamingClient[R], err error, items func(*R) []T) []T {
	t.Helper()
	must(t, err)
	var all []T
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		must(t, err)
		if len(items(part)) == 0 {
			t.Error("an empty part")
		}
		all = append(all, items(part)...)
	}
}

func same[T proto.Message](t *testing.T, what string, want, got []T) {
	t.Helper()
	if !slices.EqualFunc(want, got, func(a, b T) bool { return proto.Equal(a, b) }) {
		t.Errorf("%s: streamed %v\nin one message %v", what, got, want)
	}
}

// sameIDs compares lists whose values change with time.
func sameIDs[T any](t *testing.T, what string, want, got []T, id func(T) string) {
	t.Helper()
	if !slices.Equal(ids(want, id), ids(got, id)) {
		t.Errorf("%s: streamed %v, in one message %v", what, ids(got, id), ids(want, id))
	}
}
