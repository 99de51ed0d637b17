// SPDX-License-Identifier: Apache-2.0

package nodeclient

import (
	"context"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// foreign is a runtime that is not ours, as its answers are on the wire.
type foreign struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	driver *runtimeapi.CgroupDriver // nil: from before RuntimeConfig
	config string

	mu    sync.Mutex
	calls []string
}

func (f *foreign) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *foreign) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{RuntimeName: "other", RuntimeVersion: "9.9"}, nil
}

func (f *foreign) Status(_ context.Context, q *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	answer := &runtimeapi.StatusResponse{Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: runtimeapi.RuntimeReady, Status: true}, {Type: runtimeapi.NetworkReady, Message: "no file"},
	}}}
	if q.GetVerbose() {
		answer.Info = map[string]string{"config": f.config}
	}
	return answer, nil
}

func (f *foreign) RuntimeConfig(ctx context.Context, q *runtimeapi.RuntimeConfigRequest) (*runtimeapi.RuntimeConfigResponse, error) {
	if f.driver == nil {
		return f.UnimplementedRuntimeServiceServer.RuntimeConfig(ctx, q)
	}
	return &runtimeapi.RuntimeConfigResponse{Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: *f.driver}}, nil
}

func (f *foreign) ListPodSandbox(context.Context, *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	return &runtimeapi.ListPodSandboxResponse{Items: []*runtimeapi.PodSandbox{
		{Id: "s1", RuntimeHandler: "kata", Metadata: &runtimeapi.PodSandboxMetadata{Namespace: "default", Name: "web", Uid: "u1"}},
		{Id: "gone", Metadata: &runtimeapi.PodSandboxMetadata{Namespace: "default", Name: "gone"}},
	}}, nil
}

func (f *foreign) PodSandboxStatus(_ context.Context, q *runtimeapi.PodSandboxStatusRequest) (*runtimeapi.PodSandboxStatusResponse, error) {
	if q.GetPodSandboxId() == "gone" {
		return nil, status.Error(codes.NotFound, "no such sandbox")
	}
	return &runtimeapi.PodSandboxStatusResponse{
		Status: &runtimeapi.PodSandboxStatus{State: runtimeapi.PodSandboxState_SANDBOX_READY}, Info: map[string]string{"info": `{"pid": 10}`},
	}, nil
}

func (f *foreign) ListContainers(context.Context, *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	return &runtimeapi.ListContainersResponse{Containers: []*runtimeapi.Container{
		{Id: "c1", PodSandboxId: "s1", Metadata: &runtimeapi.ContainerMetadata{Name: "main"}},
		{Id: "c2", PodSandboxId: "s1", Metadata: &runtimeapi.ContainerMetadata{Name: "ended"}},
	}}, nil
}

func (f *foreign) ContainerStatus(_ context.Context, q *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	state := runtimeapi.ContainerState_CONTAINER_RUNNING
	if q.GetContainerId() == "c2" {
		state = runtimeapi.ContainerState_CONTAINER_EXITED
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{State: state}, Info: map[string]string{"info": `{"pid": 11}`}}, nil
}

func (f *foreign) StopContainer(_ context.Context, q *runtimeapi.StopContainerRequest) (*runtimeapi.StopContainerResponse, error) {
	f.note("stop " + q.GetContainerId())
	if q.GetTimeout() != 7 {
		return nil, status.Errorf(codes.InvalidArgument, "grace of %d", q.GetTimeout())
	}
	return nil, status.Error(codes.NotFound, "ended by itself")
}

func (f *foreign) StopPodSandbox(_ context.Context, q *runtimeapi.StopPodSandboxRequest) (*runtimeapi.StopPodSandboxResponse, error) {
	f.note("stop pod " + q.GetPodSandboxId())
	return &runtimeapi.StopPodSandboxResponse{}, nil
}

func (f *foreign) RemovePodSandbox(_ context.Context, q *runtimeapi.RemovePodSandboxRequest) (*runtimeapi.RemovePodSandboxResponse, error) {
	f.note("remove pod " + q.GetPodSandboxId())
	return &runtimeapi.RemovePodSandboxResponse{}, nil
}

// dial has the runtime answer, and connects to it.
func dial(t *testing.T, f *foreign) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	runtimeapi.RegisterRuntimeServiceServer(server, f)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	client, err := New(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestDescribe(t *testing.T) {
	systemd, cgroupfs := runtimeapi.CgroupDriver_SYSTEMD, runtimeapi.CgroupDriver_CGROUPFS
	unmet := []Condition{{"NetworkReady", "no file"}}
	for _, test := range []struct {
		runtime *foreign
		want    Description
	}{
		{&foreign{driver: &systemd, config: `{"cni":{"binDir":"","binDirs":["/a","/b"],"confDir":"/c"}}`},
			Description{CgroupDriver: "systemd", CNIBinDirs: []string{"/a", "/b"}, CNIConfDir: "/c"}},
		{&foreign{driver: &cgroupfs, config: `{"cni":{"binDir":"/a","confDir":"/c"}}`},
			Description{CgroupDriver: "cgroupfs", CNIBinDirs: []string{"/a"}, CNIConfDir: "/c"}},
		{&foreign{config: `root = "/x"`}, Description{}},
	} {
		test.want.Name, test.want.Version, test.want.Unmet = "other", "9.9", unmet
		got, err := dial(t, test.runtime).Describe(t.Context())
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v, %v, want %+v", got, err, test.want)
		}
	}
}

// TestProcesses leaves out what ended between the list and the look.
func TestProcesses(t *testing.T) {
	got, err := dial(t, &foreign{}).Processes(t.Context())
	want := []Process{{ID: "s1", Pod: "default/web", PID: 10}, {ID: "c1", Pod: "default/web", Name: "main", PID: 11}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRemoveGivesContainersTheirGrace(t *testing.T) {
	f := &foreign{}
	client := dial(t, f)
	pods, err := client.Pods(t.Context())
	if err != nil || len(pods) != 2 || pods[0] != (Pod{ID: "s1", Namespace: "default", Name: "web", UID: "u1", Handler: "kata"}) {
		t.Fatalf("%+v, %v", pods, err)
	}
	if err := client.Remove(t.Context(), pods[0], 7*time.Second); err != nil {
		t.Fatal(err)
	}
	slices.Sort(f.calls[:2]) // together
	if want := []string{"stop c1", "stop c2", "stop pod s1", "remove pod s1"}; !slices.Equal(f.calls, want) {
		t.Errorf("calls are %v", f.calls)
	}
	f.calls = nil
	if err := client.Remove(t.Context(), pods[0], time.Second); !errdefs.IsInvalidArgument(err) || len(f.calls) != 2 {
		t.Errorf("a container that does not stop: %v, after %v", err, f.calls)
	}
}
