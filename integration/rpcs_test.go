// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// unimplemented are the methods that this release does not have. The kubelet gets
// along without them; their list only ever becomes shorter.
var unimplemented = []protoreflect.Name{
	"CheckpointContainer", "CheckpointPod", "RestorePod",
}

// TestEveryRPC calls every method of CRI with an empty request. Each must answer
// with a code that means something, and not by accident.
func TestEveryRPC(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	var absent []protoreflect.Name
	called := 0
	for _, service := range []protoreflect.FullName{"runtime.v1.RuntimeService", "runtime.v1.ImageService"} {
		descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(service)
		if err != nil {
			t.Fatal(err)
		}
		methods := descriptor.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			called++
			switch code := status.Code(n.call(methods.Get(i))); code {
			case codes.Unknown, codes.Internal, codes.Unavailable:
				t.Errorf("%s: %s", methods.Get(i).FullName(), code)
			case codes.Unimplemented:
				absent = append(absent, methods.Get(i).Name())
			}
		}
	}
	if called < 43 {
		t.Errorf("only %d methods", called)
	}
	slices.Sort(absent)
	if !slices.Equal(absent, unimplemented) {
		t.Errorf("unimplemented: %q, want %q", absent, unimplemented)
	}
	// No supervisor would have started it again.
	if _, err := n.runtime().Version(n.ctx, &runtimeapi.VersionRequest{}); err != nil {
		t.Error(err)
	}
}

// call calls a method with an empty request and waits a second at most for the
// first answer of a stream.
func (n *node) call(method protoreflect.MethodDescriptor) error {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.ctx, 10*time.Second)
	defer cancel()
	name := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	in, out := n.message(method.Input()), n.message(method.Output())
	if !method.IsStreamingServer() {
		return n.conn.Invoke(ctx, name, in, out)
	}
	ctx, cancel = context.WithTimeout(ctx, time.Second)
	defer cancel()
	stream, err := n.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, name)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(in); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) {
		return err
	}
	return nil // an empty list
}

func (n *node) message(descriptor protoreflect.MessageDescriptor) proto.Message {
	n.t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		n.t.Fatal(err)
	}
	return kind.New().Interface()
}

// TestUnknownIDs are NotFound where something is asked of them, and fine where
// they shall be gone.
func TestUnknownIDs(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const id = "0123456789abcdef"
	r, i, ctx := n.runtime(), n.images(), n.ctx
	for name, c := range map[string]struct {
		call func() error
		want codes.Code
	}{
		"ContainerStatus": {func() error {
			_, err := r.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id})
			return err
		}, codes.NotFound},
		"PodSandboxStatus": {func() error {
			_, err := r.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: id})
			return err
		}, codes.NotFound},
		"StartContainer": {func() error {
			_, err := r.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: id})
			return err
		}, codes.NotFound},
		"ContainerStats": {func() error {
			_, err := r.ContainerStats(ctx, &runtimeapi.ContainerStatsRequest{ContainerId: id})
			return err
		}, codes.NotFound},
		"ReopenContainerLog": {func() error {
			_, err := r.ReopenContainerLog(ctx, &runtimeapi.ReopenContainerLogRequest{ContainerId: id})
			return err
		}, codes.NotFound},
		"StopContainer":   {func() error { return n.stopContainer(id) }, codes.OK},
		"RemoveContainer": {func() error { return n.removeContainer(id) }, codes.OK},
		"StopPodSandbox": {func() error {
			_, err := r.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: id})
			return err
		}, codes.OK},
		"RemovePodSandbox": {func() error {
			_, err := r.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: id})
			return err
		}, codes.OK},
		"RemoveImage": {func() error {
			_, err := i.RemoveImage(ctx, &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: "registry.example/absent:1"}})
			return err
		}, codes.OK},
	} {
		if err := c.call(); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	response, err := i.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: "registry.example/absent:1"}})
	if err != nil || response.Image != nil {
		t.Errorf("ImageStatus: %v, %v; want no image and no error", response, err)
	}
}
