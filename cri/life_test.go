// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/sandbox"
)

func TestLifeOfAPod(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	img, err := image.Files(image.Config{Entrypoint: []string{"/hello.wasm"}, User: "7"},
		image.File{Path: "/hello.wasm", Content: enginetest.Print(1, "hello\n")})
	ref := n.publish("hello:v1", img, err)
	imageID := n.pull(ref)
	pod := n.pod("hello")
	podID := n.run(pod)

	if again := n.run(pod); again != podID {
		t.Errorf("repeated RunPodSandbox made %s beside %s", again, podID)
	}
	ps, err := n.runtime.PodSandboxStatus(ctx, podID[:12], true) // crictl shortens ids
	must(t, err)
	if s := ps.GetStatus(); s.GetId() != podID || s.GetState() != runtimeapi.PodSandboxState_SANDBOX_READY || s.GetRuntimeHandler() != "wasm" ||
		s.GetLinux().GetNamespaces().GetOptions().GetNetwork() != runtimeapi.NamespaceMode_NODE || !json.Valid([]byte(ps.GetInfo()["info"])) {
		t.Errorf("pod %v, info %v", s, ps.GetInfo())
	}

	config := n.container("c", ref, imageID)
	id := n.create(podID, config, pod)
	if again := n.create(podID, config, pod); again != id {
		t.Errorf("repeated CreateContainer made %s beside %s", again, id)
	}
	if s := n.status(id[:10]); s.GetState() != runtimeapi.ContainerState_CONTAINER_CREATED || s.GetStartedAt() != 0 || s.GetCreatedAt() == 0 {
		t.Errorf("created: %v", s)
	}
	must(t, n.runtime.StartContainer(ctx, id))
	s := n.awaitExit(id)
	if s.GetExitCode() != 0 || s.GetReason() != "Completed" || s.GetFinishedAt() < s.GetStartedAt() || s.GetStartedAt() < s.GetCreatedAt() {
		t.Errorf("ended: %v", s)
	}
	if s.GetImage().GetImage() != ref || s.GetImageId() != imageID || !strings.HasPrefix(s.GetImageRef(), n.ref("hello@sha256:")) {
		t.Errorf("image %q, ref %q, id %q", s.GetImage().GetImage(), s.GetImageRef(), s.GetImageId())
	}
	if want := filepath.Join(pod.LogDirectory, "c/0.log"); s.GetLogPath() != want {
		t.Errorf("log %q, want %q", s.GetLogPath(), want)
	}
	if got := logText(t, s.GetLogPath()); got != "stdout:hello\n" {
		t.Errorf("logged %q", got)
	}
	verbose, err := n.runtime.ContainerStatus(ctx, id, true)
	must(t, err)
	var info runtime.Container
	must(t, json.Unmarshal([]byte(verbose.GetInfo()["info"]), &info))
	if info.UID != 7 || info.SandboxID != podID {
		t.Errorf("info %+v", info)
	}

	must(t, n.runtime.StopContainer(ctx, id, 5)) // it has ended already
	must(t, n.runtime.RemoveContainer(ctx, id))
	must(t, n.runtime.RemoveContainer(ctx, id))
	if _, err := n.runtime.ContainerStatus(ctx, id, false); status.Code(err) != codes.NotFound {
		t.Errorf("status of a removed container: %v", err)
	}
	must(t, n.runtime.StopPodSandbox(ctx, podID))
	must(t, n.runtime.StopPodSandbox(ctx, podID))
	ps, err = n.runtime.PodSandboxStatus(ctx, podID, false)
	must(t, err)
	if ps.GetStatus().GetState() != runtimeapi.PodSandboxState_SANDBOX_NOTREADY || len(ps.GetInfo()) != 0 {
		t.Errorf("stopped: %v", ps)
	}
	if _, err := n.runtime.CreateContainer(ctx, podID, config, pod); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a container in a stopped pod: %v", err)
	}
	must(t, n.runtime.RemovePodSandbox(ctx, podID))
	must(t, n.runtime.RemovePodSandbox(ctx, podID))
	if _, err := n.runtime.PodSandboxStatus(ctx, podID, false); status.Code(err) != codes.NotFound {
		t.Errorf("status of a removed pod: %v", err)
	}
}

func TestRunningContainerIsMeasuredResizedRotatedAndStopped(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("spin:v1", enginetest.Spin("on\n"))
	pod := n.pod("spin")
	podID := n.run(pod)
	config := n.container("c", ref, n.pull(ref))
	config.Linux = &runtimeapi.LinuxContainerConfig{Resources: &runtimeapi.LinuxContainerResources{
		CpuShares: 128, MemoryLimitInBytes: 256 << 20, OomScoreAdj: 500,
	}}
	id := n.create(podID, config, pod)
	must(t, n.runtime.StartContainer(ctx, id))
	must(t, n.runtime.StartContainer(ctx, id)) // the retry of a call whose answer was lost
	if s := n.status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_RUNNING || s.GetStartedAt() == 0 {
		t.Fatalf("started: %v", s)
	}

	stats, err := n.runtime.ContainerStats(ctx, id)
	must(t, err)
	if stats.GetCpu().GetTimestamp() == 0 || stats.GetMemory().GetWorkingSetBytes().GetValue() == 0 || stats.GetMemory().GetAvailableBytes().GetValue() == 0 {
		t.Errorf("stats %v", stats)
	}
	if at := stats.GetWritableLayer().GetFsId().GetMountpoint(); !isDir(at) {
		t.Errorf("writable layer on %q, which is no directory", at)
	}
	all, err := n.runtime.ListContainerStats(ctx, nil)
	must(t, err)
	none, err := n.runtime.ListContainerStats(ctx, &runtimeapi.ContainerStatsFilter{LabelSelector: map[string]string{"container": "d"}})
	must(t, err)
	if len(all) != 1 || all[0].GetAttributes().GetId() != id || len(none) != 0 {
		t.Errorf("listed %v and %v", all, none)
	}
	ofPod, err := n.runtime.PodSandboxStats(ctx, podID)
	must(t, err)
	if linux := ofPod.GetLinux(); linux.GetProcess().GetProcessCount().GetValue() == 0 || len(linux.GetContainers()) != 1 || linux.GetNetwork() != nil {
		t.Errorf("pod stats %v", ofPod)
	}
	pods, err := n.runtime.ListPodSandboxStats(ctx, &runtimeapi.PodSandboxStatsFilter{LabelSelector: map[string]string{"app": "spin"}})
	must(t, err)
	if len(pods) != 1 || pods[0].GetAttributes().GetMetadata().GetName() != "spin" {
		t.Errorf("pods' stats %v", pods)
	}

	must(t, n.runtime.UpdateContainerResources(ctx, id, &runtimeapi.ContainerResources{Linux: &runtimeapi.LinuxContainerResources{MemoryLimitInBytes: 512 << 20}}))
	if r := n.status(id).GetResources().GetLinux(); r.GetMemoryLimitInBytes() != 512<<20 || r.GetCpuShares() != 128 || r.GetOomScoreAdj() != 500 {
		t.Errorf("resized: %v", r)
	}
	if stats, err = n.runtime.ContainerStats(ctx, id); err != nil || stats.GetMemory().GetAvailableBytes().GetValue() <= 256<<20 {
		t.Errorf("available after the resize: %v, %v", stats.GetMemory(), err)
	}

	logPath := n.status(id).GetLogPath()
	must(t, os.Rename(logPath, logPath+".1"))
	must(t, n.runtime.ReopenContainerLog(ctx, id))
	if _, err := os.Stat(logPath); err != nil {
		t.Errorf("reopened: %v", err)
	}

	must(t, n.runtime.StopContainer(ctx, id, 10))
	if s := n.status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_EXITED || s.GetExitCode() != 143 || s.GetReason() != "Error" {
		t.Errorf("stopped: %v", s)
	}
	must(t, os.Remove(logPath))
	if err := n.runtime.ReopenContainerLog(ctx, id); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("reopened after the end: %v", err)
	}
	if _, err := os.Stat(logPath); err == nil {
		t.Error("reopening after the end made a file")
	}
	if err := n.runtime.UpdateContainerResources(ctx, id, &runtimeapi.ContainerResources{Linux: &runtimeapi.LinuxContainerResources{CpuShares: 2}}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("resized after the end: %v", err)
	}
	if all, err = n.runtime.ListContainerStats(ctx, nil); err != nil || len(all) != 0 {
		t.Errorf("stats of ended containers are listed: %v, %v", all, err)
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func TestATrapIsInTheStatus(t *testing.T) {
	n := newNode(t)
	ref := n.publishModule("trap:v1", enginetest.Trap())
	pod := n.pod("trap")
	id := n.create(n.run(pod), n.container("c", ref, n.pull(ref)), pod)
	must(t, n.runtime.StartContainer(t.Context(), id))
	s := n.awaitExit(id)
	if s.GetExitCode() != 134 || s.GetReason() != "Error" || !strings.Contains(s.GetMessage(), "unreachable") {
		t.Errorf("ended: %v", s)
	}
}

func TestResizeOfAPodIsChecked(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	id := n.run(n.pod("p"))
	if _, err := n.runtime.UpdatePodSandboxResources(ctx, &runtimeapi.UpdatePodSandboxResourcesRequest{
		PodSandboxId: id, Resources: &runtimeapi.LinuxContainerResources{MemoryLimitInBytes: 1 << 30},
	}); err != nil {
		t.Error(err)
	}
	ps, err := n.runtime.PodSandboxStatus(ctx, id, true)
	must(t, err)
	var info sandbox.Sandbox
	must(t, json.Unmarshal([]byte(ps.GetInfo()["info"]), &info))
	if info.Resized == nil || info.Resized.Resources == nil || info.Resized.Resources.MemoryLimit != 1<<30 {
		t.Errorf("what was said of the pod's resources: %+v", info.Resized)
	}
	_, err = n.runtime.UpdatePodSandboxResources(ctx, &runtimeapi.UpdatePodSandboxResourcesRequest{
		PodSandboxId: id, Overhead: &runtimeapi.LinuxContainerResources{CpuShares: -1},
	})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "overhead.cpu_shares") {
		t.Errorf("%v", err)
	}
	if _, err := n.runtime.UpdatePodSandboxResources(ctx, &runtimeapi.UpdatePodSandboxResourcesRequest{PodSandboxId: "absent"}); status.Code(err) != codes.NotFound {
		t.Errorf("%v", err)
	}
}

func TestAPodHasTheAddressesOfItsNetwork(t *testing.T) {
	n := newNode(t)
	n.addNetwork()
	ctx := t.Context()
	resp, err := n.runtime.Status(ctx, false)
	must(t, err)
	if c := resp.GetStatus().GetConditions(); len(c) != 2 || !c[0].GetStatus() || !c[1].GetStatus() {
		t.Errorf("conditions %v", c)
	}
	pod := n.pod("p")
	pod.Linux.SecurityContext.NamespaceOptions.Network = runtimeapi.NamespaceMode_POD
	id := n.run(pod)
	ps, err := n.runtime.PodSandboxStatus(ctx, id, false)
	must(t, err)
	network := ps.GetStatus().GetNetwork()
	if network.GetIp() != "10.1.2.3" || len(network.GetAdditionalIps()) != 1 || network.GetAdditionalIps()[0].GetIp() != "fd00::3" {
		t.Errorf("addresses %v", network)
	}
	if mode := ps.GetStatus().GetLinux().GetNamespaces().GetOptions().GetNetwork(); mode != runtimeapi.NamespaceMode_POD {
		t.Errorf("network %s", mode)
	}
	stats, err := n.runtime.PodSandboxStats(ctx, id)
	must(t, err)
	// A kubelet reads the main interface without looking whether there is one.
	if u := stats.GetLinux().GetNetwork(); u != nil {
		t.Errorf("network use of a pod with nothing but a loopback: %v", u)
	}
	must(t, n.runtime.StopPodSandbox(ctx, id))
	ps, err = n.runtime.PodSandboxStatus(ctx, id, false)
	must(t, err)
	if ip := ps.GetStatus().GetNetwork().GetIp(); ip != "" {
		t.Errorf("a stopped pod still has %s", ip)
	}
	stats, err = n.runtime.PodSandboxStats(ctx, id)
	if err != nil || stats.GetLinux().GetNetwork() != nil {
		t.Errorf("network use of a stopped pod: %v, %v", stats, err)
	}
}

// TestStopSignalIsSentAndShown: a container ends by the signal it asks for.
func TestStopSignalIsSentAndShown(t *testing.T) {
	n := newNode(t)
	pod := n.pod("signal")
	podID := n.run(pod)
	ref := n.publishModule("spin:v1", enginetest.Spin("spinning\n"))
	config := n.container("c", ref, n.pull(ref))
	config.StopSignal = runtimeapi.Signal_SIGNAL_SIGUSR1
	id, err := n.runtime.CreateContainer(t.Context(), podID, config, pod)
	must(t, err)
	must(t, n.runtime.StartContainer(t.Context(), id))
	if s := n.status(id); s.GetStopSignal() != runtimeapi.Signal_SIGNAL_SIGUSR1 {
		t.Errorf("shown: %s", s.GetStopSignal())
	}
	must(t, n.runtime.StopContainer(t.Context(), id, 10))
	if s := n.status(id); s.GetExitCode() != 128+10 {
		t.Errorf("ended: %v", s)
	}
}
