// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// TestAnImageIsTakenFromContainerd runs a Wasm pod from an image that only containerd
// has, and no registry.
func TestAnImageIsTakenFromContainerd(t *testing.T) {
	node := dial(t, cluster.Socket())
	const ref = "nowhere.example/only-upstream:1"
	config := image.Config{Platform: nativePlatform, Entrypoint: []string{"/web.wasm"}}
	must(t, cluster.ImportFiles(t.Context(), ref, config, append(lab.BaseFiles(), image.File{Path: "/web.wasm", Content: webModule})...))
	shown, err := node.images.ImageStatus(t.Context(), &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: ref}})
	must(t, err)
	id := shown.GetImage().GetId()
	if id == "" {
		t.Fatal("the node does not show the image")
	}
	for _, handler := range []string{"wasm", "hybrid"} {
		sandbox := pod("taken")
		made, err := node.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: sandbox, RuntimeHandler: handler})
		must(t, err)
		t.Cleanup(func() { must(t, node.end(cleanup(t), made.GetPodSandboxId())) })
		created, err := node.CreateContainer(t.Context(), &runtimeapi.CreateContainerRequest{PodSandboxId: made.GetPodSandboxId(), SandboxConfig: sandbox,
			Config: &runtimeapi.ContainerConfig{
				Metadata: &runtimeapi.ContainerMetadata{Name: "main"}, Image: &runtimeapi.ImageSpec{Image: id, UserSpecifiedImage: ref},
				Annotations: webPorts, Linux: &runtimeapi.LinuxContainerConfig{}, LogPath: "main.log",
			}})
		must(t, err)
		_, err = node.StartContainer(t.Context(), &runtimeapi.StartContainerRequest{ContainerId: created.GetContainerId()})
		must(t, err)
		status, err := node.PodSandboxStatus(t.Context(), &runtimeapi.PodSandboxStatusRequest{PodSandboxId: made.GetPodSandboxId()})
		must(t, err)
		if body := get(t, status.GetStatus().GetNetwork().GetIp()); body != "hello from /there\n" {
			t.Errorf("%s answers %q", handler, body)
		}
	}
	_, err = node.images.RemoveImage(t.Context(), &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: id}})
	must(t, err)
}

// TestOneImageFilesystem: both stores are on one file system here, and the kubelet reads
// one figure.
func TestOneImageFilesystem(t *testing.T) {
	var used []uint64
	for _, socket := range []string{cluster.Socket(), cluster.ContainerdSocket()} {
		fs, err := dial(t, socket).images.ImageFsInfo(t.Context(), &runtimeapi.ImageFsInfoRequest{})
		must(t, err)
		if len(fs.GetImageFilesystems()) != 1 {
			t.Fatalf("file systems of %s: %v", socket, fs)
		}
		used = append(used, fs.GetImageFilesystems()[0].GetUsedBytes().GetValue())
	}
	if used[0] <= used[1] {
		t.Errorf("the node uses %d bytes, containerd alone %d", used[0], used[1])
	}
}
