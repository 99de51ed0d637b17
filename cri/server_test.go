// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
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

func TestListsAreFiltered(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("exit:v1", enginetest.Exit(3))
	imageID := n.pull(ref)
	a, b := n.pod("a"), n.pod("b")
	podA, podB := n.run(a), n.run(b)
	must(t, n.runtime.StopPodSandbox(ctx, podB))
	ended := n.create(podA, n.container("ended", ref, imageID), a)
	waits := n.create(podA, n.container("waits", ref, imageID), a)
	must(t, n.runtime.StartContainer(ctx, ended))
	if s := n.awaitExit(ended); s.GetExitCode() != 3 {
		t.Errorf("ended: %v", s)
	}

	pod := (*runtimeapi.PodSandbox).GetId
	for name, tt := range map[string]struct {
		filter *runtimeapi.PodSandboxFilter
		want   []string
	}{
		"none":   {nil, []string{podA, podB}},
		"id":     {&runtimeapi.PodSandboxFilter{Id: podB[:9]}, []string{podB}},
		"absent": {&runtimeapi.PodSandboxFilter{Id: "no such pod"}, nil},
		"ready": {&runtimeapi.PodSandboxFilter{State: &runtimeapi.PodSandboxStateValue{
			State: runtimeapi.PodSandboxState_SANDBOX_READY}}, []string{podA}},
		"label": {&runtimeapi.PodSandboxFilter{LabelSelector: map[string]string{"app": "b"}}, []string{podB}},
	} {
		slices.Sort(tt.want)
		got, err := n.runtime.ListPodSandbox(ctx, tt.filter)
		if err != nil || !slices.Equal(ids(got, pod), tt.want) {
			t.Errorf("pods by %s: %v, %v", name, got, err)
		}
	}
	container := (*runtimeapi.Container).GetId
	for name, tt := range map[string]struct {
		filter *runtimeapi.ContainerFilter
		want   []string
	}{
		"none":      {nil, []string{ended, waits}},
		"id":        {&runtimeapi.ContainerFilter{Id: waits[:9]}, []string{waits}},
		"pod":       {&runtimeapi.ContainerFilter{PodSandboxId: podA}, []string{ended, waits}},
		"other pod": {&runtimeapi.ContainerFilter{PodSandboxId: podB}, nil},
		"state": {&runtimeapi.ContainerFilter{State: &runtimeapi.ContainerStateValue{
			State: runtimeapi.ContainerState_CONTAINER_CREATED}}, []string{waits}},
		"label": {&runtimeapi.ContainerFilter{LabelSelector: map[string]string{"container": "ended"}}, []string{ended}},
	} {
		slices.Sort(tt.want)
		got, err := n.runtime.ListContainers(ctx, tt.filter)
		if err != nil || !slices.Equal(ids(got, container), tt.want) {
			t.Errorf("containers by %s: %v, %v", name, got, err)
		}
	}
	list, err := n.runtime.ListContainers(ctx, &runtimeapi.ContainerFilter{Id: waits})
	must(t, err)
	if c := list[0]; c.GetImageId() != imageID || c.GetPodSandboxId() != podA || c.GetMetadata().GetName() != "waits" {
		t.Errorf("listed %v", c)
	}
}

func TestImagesAreOneStoreUnderOneID(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	img, err := image.Files(image.Config{Entrypoint: []string{"/p.wasm"}, User: "www"}, image.File{Path: "/p.wasm", Content: enginetest.Exit(0)})
	one, two := n.publish("one:v1", img, err), n.publish("two:v1", img, err)
	id := n.pull(one)
	if again := n.pull(two); again != id {
		t.Errorf("one image has the ids %s and %s", id, again)
	}
	for _, ref := range []string{one, two, id, strings.TrimPrefix(id, "sha256:")[:12]} {
		resp, err := n.images.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: ref}, true)
		must(t, err)
		i := resp.GetImage()
		if i.GetId() != id || i.GetSize() == 0 || i.GetUsername() != "www" || i.GetUid() != nil || len(i.GetRepoTags()) != 2 || len(i.GetRepoDigests()) != 2 {
			t.Errorf("%s: %v", ref, i)
		}
		if !json.Valid([]byte(resp.GetInfo()["info"])) {
			t.Errorf("%s: info %v", ref, resp.GetInfo())
		}
	}
	for name, tt := range map[string]struct {
		filter *runtimeapi.ImageFilter
		want   int
	}{
		"none":   {nil, 1},
		"tag":    {&runtimeapi.ImageFilter{Image: &runtimeapi.ImageSpec{Image: two}}, 1},
		"absent": {&runtimeapi.ImageFilter{Image: &runtimeapi.ImageSpec{Image: n.ref("three:v1")}}, 0},
	} {
		if list, err := n.images.ListImages(ctx, tt.filter); err != nil || len(list) != tt.want {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	fs, err := n.images.ImageFsInfo(ctx)
	must(t, err)
	if len(fs.GetImageFilesystems()) != 1 || len(fs.GetContainerFilesystems()) != 0 {
		t.Fatalf("file systems %v", fs)
	}
	if f := fs.GetImageFilesystems()[0]; !isDir(f.GetFsId().GetMountpoint()) || f.GetUsedBytes().GetValue() == 0 || f.GetTimestamp() == 0 {
		t.Errorf("file system %v", f)
	}
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: one})) // one name, all names
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: one}))
	for _, ref := range []string{one, two, id} {
		if resp, err := n.images.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: ref}, false); err != nil || resp.GetImage() != nil {
			t.Errorf("%s after its removal: %v, %v", ref, resp, err)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	pod := n.pod("p")
	podID := n.run(pod)
	text := n.publishModule("text:v1", []byte("#!/bin/sh\necho no module\n"))
	ref := n.publishModule("exit:v1", enginetest.Exit(0))
	imageID := n.pull(ref)
	create := func(change func(*runtimeapi.ContainerConfig)) error {
		config := n.container("c", ref, imageID)
		change(config)
		_, err := n.runtime.CreateContainer(ctx, podID, config, pod)
		return err
	}
	pull := func(ref string) error {
		_, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, nil)
		return err
	}
	for name, tt := range map[string]struct {
		err  error
		code codes.Code
		want string
	}{
		"unknown handler": {func() error {
			_, err := n.runtime.RunPodSandbox(ctx, n.pod("q"), "runc")
			return err
		}(), codes.InvalidArgument, `runtime handler "runc" is not configured (known: wasm)`},
		"handler of an image": {func() error {
			_, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref, RuntimeHandler: "runc"}, nil, nil)
			return err
		}(), codes.InvalidArgument, `"runc"`},
		"pod network without CNI": {func() error {
			q := n.pod("q")
			q.Linux.SecurityContext.NamespaceOptions.Network = runtimeapi.NamespaceMode_POD
			_, err := n.runtime.RunPodSandbox(ctx, q, "")
			return err
		}(), codes.FailedPrecondition, filepath.Join(n.dir, "net.d")},
		"image not there":  {pull(n.ref("none:v1")), codes.NotFound, n.ref("none:v1")},
		"not a module":     {pull(text), codes.FailedPrecondition, "not a WebAssembly binary"},
		"image not pulled": {create(func(c *runtimeapi.ContainerConfig) { c.Image.Image = n.ref("none:v1") }), codes.NotFound, n.ref("none:v1")},
		"no such pod": {func() error {
			_, err := n.runtime.CreateContainer(ctx, "0123", n.container("c", ref, imageID), pod)
			return err
		}(), codes.NotFound, "0123"},
		"mount without source": {create(func(c *runtimeapi.ContainerConfig) {
			c.Mounts = []*runtimeapi.Mount{{ContainerPath: "/data", HostPath: filepath.Join(n.dir, "absent")}}
		}), codes.NotFound, filepath.Join(n.dir, "absent")},
		"unknown user": {create(func(c *runtimeapi.ContainerConfig) {
			c.Linux = &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{RunAsUsername: "nobody-here"}}
		}), codes.InvalidArgument, "nobody-here"},
		"privileged": {create(func(c *runtimeapi.ContainerConfig) {
			c.Linux = &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{Privileged: true}}
		}), codes.InvalidArgument, "cannot be privileged"},
	} {
		if s := status.Convert(tt.err); s.Code() != tt.code || !strings.Contains(s.Message(), tt.want) {
			t.Errorf("%s: %s %q, want %s and %q", name, s.Code(), s.Message(), tt.code, tt.want)
		}
	}
	if err := pull("127.0.0.1:1/x:v1"); err == nil || !strings.HasPrefix(err.Error(), "RegistryUnavailable: ") {
		t.Errorf("registry that is not there: %v", err)
	}
	if list, err := n.runtime.ListContainers(ctx, nil); err != nil || len(list) != 0 {
		t.Errorf("failed creates left %v, %v", list, err)
	}
}

// TestAbsenceIsNoErrorForStopAndRemove is the rule of the API, as critest has
// it: with ids of a form that this runtime never gives out.
func TestAbsenceIsNoErrorForStopAndRemove(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	const id = "9f6d7a52-6a8e-4b7f-b6a6-0d2b3a3f7c11"
	must(t, n.runtime.StopPodSandbox(ctx, id))
	must(t, n.runtime.RemovePodSandbox(ctx, id))
	must(t, n.runtime.StopContainer(ctx, id, 0))
	must(t, n.runtime.RemoveContainer(ctx, id))
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: strings.Repeat("0", 64)}))
	for name, err := range map[string]error{
		"PodSandboxStatus":   func() error { _, err := n.runtime.PodSandboxStatus(ctx, id, false); return err }(),
		"ContainerStatus":    func() error { _, err := n.runtime.ContainerStatus(ctx, id, false); return err }(),
		"ContainerStats":     func() error { _, err := n.runtime.ContainerStats(ctx, id); return err }(),
		"PodSandboxStats":    func() error { _, err := n.runtime.PodSandboxStats(ctx, id); return err }(),
		"StartContainer":     n.runtime.StartContainer(ctx, id),
		"ReopenContainerLog": n.runtime.ReopenContainerLog(ctx, id),
	} {
		if status.Code(err) != codes.NotFound {
			t.Errorf("%s: %v, want NotFound", name, err)
		}
	}
}

func TestStatusOfTheRuntime(t *testing.T) {
	n := newNode(t)
	resp, err := n.runtime.Status(t.Context(), true)
	must(t, err)
	conditions := map[string]*runtimeapi.RuntimeCondition{}
	for _, c := range resp.GetStatus().GetConditions() {
		conditions[c.GetType()] = c
	}
	if !conditions[runtimeapi.RuntimeReady].GetStatus() {
		t.Errorf("%v", conditions)
	}
	if c := conditions[runtimeapi.NetworkReady]; c.GetStatus() || c.GetReason() == "" || !strings.Contains(c.GetMessage(), "net.d") {
		t.Errorf("without a CNI configuration: %v", c)
	}
	if got := ids(resp.GetRuntimeHandlers(), (*runtimeapi.RuntimeHandler).GetName); !slices.Equal(got, []string{"", "wasm"}) {
		t.Errorf("handlers %q", got)
	}
	if !json.Valid([]byte(resp.GetInfo()["config"])) {
		t.Errorf("info %v", resp.GetInfo())
	}
	if f := resp.GetFeatures(); f == nil || f.GetSupplementalGroupsPolicy() {
		t.Errorf("features %v", f)
	}
	plain, err := n.runtime.Status(t.Context(), false)
	if err != nil || len(plain.GetInfo()) != 0 {
		t.Errorf("info without asking: %v, %v", plain.GetInfo(), err)
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
	_, err := n.runtime.UpdatePodSandboxResources(ctx, &runtimeapi.UpdatePodSandboxResourcesRequest{
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
	if u := stats.GetLinux().GetNetwork(); u.GetTimestamp() == 0 || len(u.GetInterfaces()) != 0 {
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

// TestCallsAtOnceAgree makes the same calls many times at once, as a kubelet
// that retries does, while another client lists.
func TestCallsAtOnceAgree(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("spin:v1", enginetest.Spin("on\n"))
	pulls := atOnce(t, func() (string, error) {
		return n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, nil)
	})
	pod := n.pod("p")
	listing, stopListing := context.WithCancel(ctx)
	var lister sync.WaitGroup
	lister.Go(func() {
		for listing.Err() == nil {
			if _, err := n.runtime.ListPodSandbox(ctx, nil); err != nil {
				t.Error(err)
			}
			if _, err := n.runtime.ListContainers(ctx, nil); err != nil {
				t.Error(err)
			}
			if _, err := n.runtime.ListContainerStats(ctx, nil); err != nil {
				t.Error(err)
			}
		}
	})
	pods := atOnce(t, func() (string, error) { return n.runtime.RunPodSandbox(ctx, pod, "") })
	config := n.container("c", ref, pulls[0])
	containers := atOnce(t, func() (string, error) { return n.runtime.CreateContainer(ctx, pods[0], config, pod) })
	for what, made := range map[string][]string{"pull": pulls, "sandbox": pods, "container": containers} {
		if slices.Sort(made); len(slices.Compact(made)) != 1 {
			t.Errorf("%s: the same call made %q", what, made)
		}
	}
	id := containers[0]
	atOnce(t, func() (string, error) { return "", n.runtime.StartContainer(ctx, id) })
	if s := n.status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_RUNNING {
		t.Errorf("started: %v", s)
	}
	atOnce(t, func() (string, error) { return "", n.runtime.StopContainer(ctx, id, 10) })
	atOnce(t, func() (string, error) { return "", n.runtime.RemoveContainer(ctx, id) })
	atOnce(t, func() (string, error) {
		return "", errors.Join(n.runtime.StopPodSandbox(ctx, pods[0]), n.runtime.RemovePodSandbox(ctx, pods[0]))
	})
	stopListing()
	lister.Wait()
	if left, err := n.runtime.ListPodSandbox(ctx, nil); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// atOnce makes one call eight times at once and returns the answers; none may
// fail.
func atOnce(t *testing.T, call func() (string, error)) []string {
	t.Helper()
	answers := make([]string, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = call(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return answers
}

// TestACallGivenUpIsFinishedForTheRetry cancels a create under way: its retry
// gets the container that the first call has made.
func TestACallGivenUpIsFinishedForTheRetry(t *testing.T) {
	n := newNode(t)
	ref := n.publishModule("exit:v1", enginetest.Exit(0))
	pod := n.pod("p")
	podID, config := n.run(pod), n.container("c", ref, n.pull(ref))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond) // far less than a create takes
	defer cancel()
	_, err := n.runtime.CreateContainer(ctx, podID, config, pod)
	if code := status.Code(err); code != codes.DeadlineExceeded {
		t.Errorf("first call: %v", err)
	}
	id := n.create(podID, config, pod)
	list, err := n.runtime.ListContainers(t.Context(), nil)
	if err != nil || len(list) != 1 || list[0].GetId() != id {
		t.Errorf("retry made %s, listed %v, %v", id, list, err)
	}
}
