// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// TestImageVolume is what critest asks of image volumes, with the kubelet's
// client: the image is named by its id, and its id is what is echoed.
func TestImageVolume(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("tool:v1", enginetest.Print(1, "hello\n"))
	imageID := n.pull(ref)
	data, err := image.Files(image.Config{}, image.File{Path: "/etc/motd", Content: []byte("hi")}, image.File{Path: "/app.wasm", Content: enginetest.Print(1, "from the volume\n")})
	dataRef := n.publish("data:v1", data, err)
	dataID := n.pull(dataRef)
	pod := n.pod("p")
	podID := n.run(pod)
	create := func(name string, m *runtimeapi.Mount, change func(*runtimeapi.ContainerConfig)) (string, error) {
		config := n.container(name, dataRef, dataID)
		config.Command = []string{"/app.wasm"}
		m.ContainerPath = "/mnt/volume"
		config.Mounts = []*runtimeapi.Mount{m}
		if change != nil {
			change(config)
		}
		return n.runtime.CreateContainer(ctx, podID, config, pod)
	}
	asked := &runtimeapi.ImageSpec{Image: dataID, UserSpecifiedImage: dataRef}

	id, err := create("whole", &runtimeapi.Mount{Readonly: true, Image: asked}, func(c *runtimeapi.ContainerConfig) {
		c.Command = []string{"/mnt/volume/app.wasm"}
	})
	must(t, err)
	want := &runtimeapi.Mount{
		ContainerPath: "/mnt/volume", Readonly: true,
		Image: &runtimeapi.ImageSpec{Image: dataID, UserSpecifiedImage: dataRef, ImageRef: dataID},
	}
	if got := n.status(id).GetMounts(); len(got) != 1 || !proto.Equal(got[0], want) {
		t.Errorf("mounts %v, want %v", got, want)
	}
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: dataID})) // as for a container's own image
	must(t, n.runtime.StartContainer(ctx, id))
	if s := n.awaitExit(id); s.GetExitCode() != 0 || logText(t, s.GetLogPath()) != "stdout:from the volume\n" {
		t.Errorf("ended: %v", s)
	}
	if again := n.pull(dataRef); again != dataID {
		t.Errorf("pulled again: %s, was %s", again, dataID)
	}

	for name, tt := range map[string]struct {
		mount *runtimeapi.Mount
		code  codes.Code
		want  string
	}{
		"writable":    {&runtimeapi.Mount{Image: asked}, codes.InvalidArgument, "an image is mounted read-only"},
		"no sub path": {&runtimeapi.Mount{Readonly: true, Image: asked, ImageSubPath: "not-existing"}, codes.NotFound, "mount /mnt/volume: the image has no not-existing"},
		"no image":    {&runtimeapi.Mount{Readonly: true, Image: &runtimeapi.ImageSpec{Image: n.ref("none:v1")}}, codes.NotFound, n.ref("none:v1")},
	} {
		_, err := create("refused", tt.mount, nil)
		if s := status.Convert(err); s.Code() != tt.code || !strings.Contains(s.Message(), tt.want) {
			t.Errorf("%s: %s %q, want %s and %q", name, s.Code(), s.Message(), tt.code, tt.want)
		}
	}
	// A module is a file of its name; by its tag it is found too.
	id, err = create("module", &runtimeapi.Mount{Readonly: true, Image: &runtimeapi.ImageSpec{Image: ref}, ImageSubPath: "tool.wasm"}, nil)
	must(t, err)
	if got := n.status(id).GetMounts()[0]; got.GetImage().GetImage() != imageID || got.GetImage().GetUserSpecifiedImage() != ref || got.GetImageSubPath() != "tool.wasm" {
		t.Errorf("mount %v", got)
	}
}
