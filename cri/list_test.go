// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

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
	if f := resp.GetFeatures(); !f.GetSupplementalGroupsPolicy() {
		t.Errorf("features %v", f)
	}
	plain, err := n.runtime.Status(t.Context(), false)
	if err != nil || len(plain.GetInfo()) != 0 {
		t.Errorf("info without asking: %v, %v", plain.GetInfo(), err)
	}
}
