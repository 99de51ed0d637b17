// SPDX-License-Identifier: Apache-2.0

package mixedcritest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/critest"
	"github.com/wazelet/wazelet/integration/lab"
)

// node speaks CRI to wazelet as the kubelet does.
type node struct {
	*testing.T
	runtime runtimeapi.RuntimeServiceClient
	images  runtimeapi.ImageServiceClient
}

func dial(t *testing.T) node {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+cluster.Socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return node{t, runtimeapi.NewRuntimeServiceClient(conn), runtimeapi.NewImageServiceClient(conn)}
}

func (n node) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

// pod runs a pod until the end of the test.
func (n node) pod(name, handler string) (id string, config *runtimeapi.PodSandboxConfig) {
	n.Helper()
	config = &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "default", Uid: "uid-of-" + name},
		LogDirectory: filepath.Join(cluster.PodLogs(), name),
		Linux:        &runtimeapi.LinuxPodSandboxConfig{CgroupParent: cluster.CgroupParent("pods")},
	}
	pod, err := n.runtime.RunPodSandbox(n.Context(), &runtimeapi.RunPodSandboxRequest{Config: config, RuntimeHandler: handler})
	n.must(err)
	n.Cleanup(func() {
		_, err := n.runtime.RemovePodSandbox(context.WithoutCancel(n.Context()), &runtimeapi.RemovePodSandboxRequest{PodSandboxId: pod.GetPodSandboxId()})
		n.must(err)
	})
	return pod.GetPodSandboxId(), config
}

func (n node) pull(ref string, config *runtimeapi.PodSandboxConfig) (id string) {
	n.Helper()
	pulled, err := n.images.PullImage(n.Context(), &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: ref}, SandboxConfig: config})
	n.must(err)
	return pulled.GetImageRef()
}

// shown is the id of what the node has under a name; "" when it has nothing.
func (n node) shown(ref string) string {
	n.Helper()
	status, err := n.images.ImageStatus(n.Context(), &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: ref}})
	n.must(err)
	return status.GetImage().GetId()
}

// runs runs a container of the image that the node shows under a name, and returns the image's id in
// the container's status.
func (n node) runs(ref, podID string, config *runtimeapi.PodSandboxConfig) (id string) {
	n.Helper()
	ctx := n.Context()
	created, err := n.runtime.CreateContainer(ctx, &runtimeapi.CreateContainerRequest{PodSandboxId: podID, SandboxConfig: config, Config: &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "main"},
		Image:    &runtimeapi.ImageSpec{Image: n.shown(ref), UserSpecifiedImage: ref},
		Command:  []string{"true"}, LogPath: "main.log", Linux: &runtimeapi.LinuxContainerConfig{},
	}})
	n.must(err)
	_, err = n.runtime.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: created.GetContainerId()})
	n.must(err)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		status, err := n.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: created.GetContainerId()})
		n.must(err)
		s := status.GetStatus()
		if s.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED {
			if s.GetExitCode() != 0 {
				n.Errorf("exit %v", s)
			}
			return s.GetImageId()
		}
		if time.Now().After(deadline) {
			n.Fatalf("does not end: %v", s)
		}
	}
}

// TestOneNameOfBothKinds: a name of an index that has an entry for each side serves pods
// of both, though the kubelet pulls it only for the first of them.
func TestOneNameOfBothKinds(t *testing.T) {
	n := dial(t)
	var images []string // all have the same module, which is compiled once
	for ref, order := range map[string][]string{
		critest.Busybox: {"wasm", "runc", "wasm"},
		lab.Registry + "/k8s-staging-cri-tools/test-image-tag:all": {"runc", "wasm", "runc"},
	} {
		ids := map[string]string{}
		for i, handler := range order {
			podID, config := n.pod(fmt.Sprintf("%s-%d", order[0], i), handler)
			if i == 0 {
				ids[handler] = n.pull(ref, config)
			}
			id := n.runs(ref, podID, config)
			if ids[handler] != "" && ids[handler] != id {
				t.Errorf("%s first: %s has run %s, then %s", order[0], handler, ids[handler], id)
			}
			ids[handler] = id
		}
		if ids["wasm"] == ids["runc"] {
			t.Errorf("%s first: one image: %v", order[0], ids)
		}
		if got := n.shown(ref); got != ids[order[0]] {
			t.Errorf("%s first: the node shows %s, of %v", order[0], got, ids)
		}
		images = append(images, ids["wasm"], ids["runc"])
	}
	if listed := n.listed(); !slices.Equal(listed, slices.Sorted(slices.Values(images))) {
		t.Errorf("listed %q, want %q", listed, images)
	}
	for _, id := range images {
		_, err := n.images.RemoveImage(t.Context(), &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: id}})
		n.must(err)
	}
	if listed := n.listed(); len(listed) != 0 {
		t.Errorf("left %q", listed)
	}
}

// listed are the ids of all images but for those that are pinned, sorted.
func (n node) listed() (ids []string) {
	n.Helper()
	list, err := n.images.ListImages(n.Context(), &runtimeapi.ListImagesRequest{})
	n.must(err)
	for _, image := range list.GetImages() {
		if !image.GetPinned() {
			ids = append(ids, image.GetId())
		}
	}
	return slices.Sorted(slices.Values(ids))
}
