// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

// madeContainer is the container that kubeletContainer asks for, ended.
func madeContainer(t *testing.T) runtime.Container {
	t.Helper()
	config, err := containerConfig(kubeletContainer())
	if err != nil {
		t.Fatal(err)
	}
	config.ImageID = imageID
	return runtime.Container{
		ID: "c0de", SandboxID: "5a6d", Config: config, State: runtime.StateExited,
		CreatedAt: time.Unix(1000, 1), StartedAt: time.Unix(1001, 2), FinishedAt: time.Unix(1002, 3),
		ExitCode: 134, Reason: runtime.ReasonError, Message: "wasm trap: unreachable",
		UID: 1000, GID: 2000, Groups: []uint32{2000, 3000},
		LogFile: "/var/log/pods/default_web_6b1c/hello/1.log", Pid: 4711,
	}
}

func TestContainerStatusEchoesTheRequest(t *testing.T) {
	asked := kubeletContainer()
	asked.Mounts[3].Image.ImageRef = imageID // the one thing that is added
	got := containerStatus(madeContainer(t), "registry.example/hello@"+imageID)
	want := &runtimeapi.ContainerStatus{
		Id: "c0de", Metadata: asked.Metadata, State: runtimeapi.ContainerState_CONTAINER_EXITED,
		CreatedAt: 1000_000000001, StartedAt: 1001_000000002, FinishedAt: 1002_000000003,
		ExitCode: 134, Reason: "Error", Message: "wasm trap: unreachable",
		Image:    &runtimeapi.ImageSpec{Image: "registry.example/hello:v1", UserSpecifiedImage: "registry.example/hello:v1"},
		ImageRef: "registry.example/hello@" + imageID, ImageId: imageID,
		Labels: asked.Labels, Annotations: asked.Annotations, Mounts: asked.Mounts,
		LogPath:    "/var/log/pods/default_web_6b1c/hello/1.log",
		Resources:  &runtimeapi.ContainerResources{Linux: asked.Linux.Resources},
		StopSignal: runtimeapi.Signal_SIGNAL_SIGUSR1,
		User: &runtimeapi.ContainerUser{Linux: &runtimeapi.LinuxContainerUser{
			Uid: 1000, Gid: 2000, SupplementalGroups: []int64{2000, 3000},
		}},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestContainerItemNamesTheImageByItsID(t *testing.T) {
	asked := kubeletContainer()
	want := &runtimeapi.Container{
		Id: "c0de", PodSandboxId: "5a6d", Metadata: asked.Metadata,
		Image:    &runtimeapi.ImageSpec{Image: "registry.example/hello:v1", UserSpecifiedImage: "registry.example/hello:v1"},
		ImageRef: imageID, ImageId: imageID,
		State: runtimeapi.ContainerState_CONTAINER_EXITED, CreatedAt: 1000_000000001,
		Labels: asked.Labels, Annotations: asked.Annotations,
	}
	if got := containerItem(new(madeContainer(t))); !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestContainerStateShowsTheStepBefore(t *testing.T) {
	for state, want := range map[runtime.State]runtimeapi.ContainerState{
		runtime.StateCreated:  runtimeapi.ContainerState_CONTAINER_CREATED,
		runtime.StateStarting: runtimeapi.ContainerState_CONTAINER_CREATED,
		runtime.StateRunning:  runtimeapi.ContainerState_CONTAINER_RUNNING,
		runtime.StateExited:   runtimeapi.ContainerState_CONTAINER_EXITED,
		runtime.StateRemoving: runtimeapi.ContainerState_CONTAINER_EXITED,
		"of a later version":  runtimeapi.ContainerState_CONTAINER_UNKNOWN,
	} {
		if got := containerState(state); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
}

func TestContainerStatusBeforeStartHasNoTimes(t *testing.T) {
	c := madeContainer(t)
	c.State, c.StartedAt, c.FinishedAt, c.Reason, c.Message, c.ExitCode = runtime.StateCreated, time.Time{}, time.Time{}, "", "", 0
	got := containerStatus(c, imageID)
	if got.StartedAt != 0 || got.FinishedAt != 0 {
		t.Errorf("started %d, finished %d, want 0: not specified", got.StartedAt, got.FinishedAt)
	}
}

func TestContainerStatusSurvivesWhatAGuestWrites(t *testing.T) {
	c := madeContainer(t)
	c.Message = "trap \xff " + strings.Repeat("é", maxStatusText)
	got := containerStatus(c, imageID)
	if len(got.Message) > maxStatusText || !utf8.ValidString(got.Message) {
		t.Errorf("message of %d bytes, UTF-8 %v", len(got.Message), utf8.ValidString(got.Message))
	}
	if _, err := proto.Marshal(got); err != nil {
		t.Error(err)
	}
}

func TestVerboseContainerInfoIsJSON(t *testing.T) {
	info, err := verboseInfo(madeContainer(t))
	if err != nil {
		t.Fatal(err)
	}
	var got runtime.Container
	if err := json.Unmarshal([]byte(info["info"]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Pid != 4711 || got.SandboxID != "5a6d" || got.Config.Name != "hello" {
		t.Errorf("info %s", info["info"])
	}
}

func TestEverySignalIsEchoed(t *testing.T) {
	for number := range runtimeapi.Signal_name {
		signal := runtimeapi.Signal(number)
		name, err := stopSignal(signal)
		if err != nil {
			t.Errorf("%s: %v", signal, err)
		}
		if got := echoSignal(name); got != signal {
			t.Errorf("%s became %q and then %s", signal, name, got)
		}
	}
}

func TestSignalsAreNamedAsImagesNameThem(t *testing.T) {
	for signal, want := range map[runtimeapi.Signal]string{
		runtimeapi.Signal_SIGNAL_RUNTIME_DEFAULT: "",
		runtimeapi.Signal_SIGNAL_SIGTERM:         "SIGTERM",
		runtimeapi.Signal_SIGNAL_SIGRTMIN:        "SIGRTMIN",
		runtimeapi.Signal_SIGNAL_SIGRTMINPLUS3:   "SIGRTMIN+3",
		runtimeapi.Signal_SIGNAL_SIGRTMAXMINUS14: "SIGRTMAX-14",
		runtimeapi.Signal_SIGNAL_SIGRTMAX:        "SIGRTMAX",
	} {
		if got, err := stopSignal(signal); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", signal, got, err, want)
		}
	}
}
