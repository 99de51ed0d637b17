// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// served and notServed together are every RPC of the API. An RPC that a new
// cri-api brings is in neither and fails the test until somebody has decided.
var (
	served = []string{
		"CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "ListContainers", "ContainerStatus",
		"UpdateContainerResources", "ReopenContainerLog",
		"RunPodSandbox", "StopPodSandbox", "RemovePodSandbox", "PodSandboxStatus", "ListPodSandbox",
		"UpdatePodSandboxResources", "PortForward", "Exec", "ExecSync", "Attach",
		"ContainerStats", "ListContainerStats", "PodSandboxStats", "ListPodSandboxStats",
		"Version", "Status", "RuntimeConfig", "UpdateRuntimeConfig",
		"ListImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo",
		"GetContainerEvents", "ListMetricDescriptors", "ListPodSandboxMetrics", "StreamPodSandboxMetrics",
		"StreamPodSandboxes", "StreamContainers", "StreamContainerStats", "StreamPodSandboxStats", "StreamImages",
	}
	// notServed says how the kubelet takes Unimplemented.
	notServed = map[string]string{
		"CheckpointContainer": "only the caller of the kubelet's checkpoint endpoint sees it",
		"CheckpointPod":       "no kubelet calls it",
		"RestorePod":          "no kubelet calls it",
	}
)

// methods are all RPCs of the API as it was compiled in.
func methods(t *testing.T) map[string]protoreflect.MethodDescriptor {
	t.Helper()
	all := map[string]protoreflect.MethodDescriptor{}
	for _, name := range []protoreflect.FullName{"runtime.v1.RuntimeService", "runtime.v1.ImageService"} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			t.Fatal(err)
		}
		list := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range list.Len() {
			all[string(list.Get(i).Name())] = list.Get(i)
		}
	}
	return all
}

func TestEveryRPCIsDecidedUpon(t *testing.T) {
	all := methods(t)
	for name := range all {
		_, not := notServed[name]
		if slices.Contains(served, name) == not {
			t.Errorf("%s: must be in one of served and notServed", name)
		}
	}
	if n := len(served) + len(notServed); n != len(all) {
		t.Errorf("%d RPCs are listed, the API has %d", n, len(all))
	}
	for name := range readOnly {
		if all[name] == nil {
			t.Errorf("readOnly names %s, which is no RPC", name)
		}
	}
}

func TestWhatIsNotServedSaysWhy(t *testing.T) {
	conn, _ := serve(t, always, New(Options{Handlers: []string{"wasm"}, DefaultHandler: "wasm"}).Register)
	all := methods(t)
	for name := range notServed {
		m := all[name]
		err := invoke(t, conn, m)
		s := status.Convert(err)
		if s.Code() != codes.Unimplemented {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(s.Message(), name+": ") || len(s.Message()) < len(name)+20 {
			t.Errorf("%s: %q is no sentence", name, s.Message())
		}
	}
}

// invoke calls an RPC with an empty request.
func invoke(t *testing.T, conn *grpc.ClientConn, m protoreflect.MethodDescriptor) error {
	t.Helper()
	path := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	request, response := message(t, m.Input()), message(t, m.Output())
	if !m.IsStreamingServer() {
		return conn.Invoke(t.Context(), path, request, response)
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, path)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(response)
}

func message(t *testing.T, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return kind.New().Interface()
}

func TestVersionAndConfigNeedNothingElse(t *testing.T) {
	conn, _ := serve(t, always, New(Options{Version: "v1.2.3", CgroupDriver: "systemd"}).Register)
	client := runtimeapi.NewRuntimeServiceClient(conn)
	v, err := client.Version(t.Context(), &runtimeapi.VersionRequest{Version: "0.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	want := &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: "wazelet", RuntimeVersion: "v1.2.3", RuntimeApiVersion: "v1"}
	if !proto.Equal(v, want) {
		t.Errorf("%v", v)
	}
	c, err := client.RuntimeConfig(t.Context(), &runtimeapi.RuntimeConfigRequest{})
	if err != nil || c.GetLinux().GetCgroupDriver() != runtimeapi.CgroupDriver_SYSTEMD {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := client.UpdateRuntimeConfig(t.Context(), &runtimeapi.UpdateRuntimeConfigRequest{
		RuntimeConfig: &runtimeapi.RuntimeConfig{NetworkConfig: &runtimeapi.NetworkConfig{PodCidr: "10.0.0.0/24"}},
	}); err != nil {
		t.Error(err)
	}
}

// TestEmptyRequestsAreRefused calls each RPC that needs an argument without
// one: the answer names the field, and nothing is looked for.
func TestEmptyRequestsAreRefused(t *testing.T) {
	conn, _ := serve(t, always, New(Options{Handlers: []string{"wasm"}, DefaultHandler: "wasm"}).Register)
	all := methods(t)
	for name, field := range map[string]string{
		"RunPodSandbox": "config", "StopPodSandbox": "pod_sandbox_id", "RemovePodSandbox": "pod_sandbox_id",
		"PodSandboxStatus": "pod_sandbox_id", "PodSandboxStats": "pod_sandbox_id", "UpdatePodSandboxResources": "pod_sandbox_id",
		"PortForward":     "pod_sandbox_id",
		"CreateContainer": "pod_sandbox_id", "StartContainer": "container_id", "StopContainer": "container_id",
		"RemoveContainer": "container_id", "ContainerStatus": "container_id", "ContainerStats": "container_id",
		"UpdateContainerResources": "container_id", "ReopenContainerLog": "container_id",
		"PullImage": "image.image", "ImageStatus": "image.image", "RemoveImage": "image.image",
	} {
		s := status.Convert(invoke(t, conn, all[name]))
		if s.Code() != codes.InvalidArgument || s.Message() != field+": required" {
			t.Errorf("%s: %s %q, want %q", name, s.Code(), s.Message(), field+": required")
		}
	}
}
