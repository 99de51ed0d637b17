// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab/image"
)

// ref is a name in the node's registry.
func (n *testNode) ref(name string) string { return n.registry + "/" + name }

// publish pushes an image under a name and returns its reference.
func (n *testNode) publish(name string, img v1.Image, err error) string {
	n.t.Helper()
	must(n.t, err)
	_, err = n.push.Push(n.t.Context(), n.ref(name), img)
	must(n.t, err)
	return n.ref(name)
}

// publishModule pushes a Wasm artifact.
func (n *testNode) publishModule(name string, wasm []byte) string {
	n.t.Helper()
	img, err := image.Module(wasm)
	return n.publish(name, img, err)
}

// pull pulls an image and returns its id.
func (n *testNode) pull(ref string) string {
	n.t.Helper()
	id, err := n.images.PullImage(n.t.Context(), &runtimeapi.ImageSpec{Image: ref}, nil, nil)
	must(n.t, err)
	return id
}

// pod is the config of a pod on the node's network.
func (n *testNode) pod(name string) *runtimeapi.PodSandboxConfig {
	return &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "default", Uid: "uid-" + name},
		LogDirectory: filepath.Join(n.logs, name),
		Labels:       map[string]string{"app": name},
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE, Pid: runtimeapi.NamespaceMode_CONTAINER},
		}},
	}
}

// run runs a pod and returns its id.
func (n *testNode) run(config *runtimeapi.PodSandboxConfig) string {
	n.t.Helper()
	id, err := n.runtime.RunPodSandbox(n.t.Context(), config, "")
	must(n.t, err)
	return id
}

// container is the config of a container as the kubelet fills it.
func (n *testNode) container(name, ref, id string) *runtimeapi.ContainerConfig {
	return &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: name},
		Image:    &runtimeapi.ImageSpec{Image: id, UserSpecifiedImage: ref},
		LogPath:  name + "/0.log",
		Labels:   map[string]string{"container": name},
	}
}

// create makes a container and returns its id.
func (n *testNode) create(podID string, config *runtimeapi.ContainerConfig, pod *runtimeapi.PodSandboxConfig) string {
	n.t.Helper()
	id, err := n.runtime.CreateContainer(n.t.Context(), podID, config, pod)
	must(n.t, err)
	return id
}

// status is a container's status.
func (n *testNode) status(id string) *runtimeapi.ContainerStatus {
	n.t.Helper()
	resp, err := n.runtime.ContainerStatus(n.t.Context(), id, false)
	must(n.t, err)
	return resp.GetStatus()
}

// awaitExit waits for a container's end, asking as the kubelet does.
func (n *testNode) awaitExit(id string) *runtimeapi.ContainerStatus {
	n.t.Helper()
	return n.await(id, func(s *runtimeapi.ContainerStatus) bool {
		return s.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED
	})
}

func (n *testNode) await(id string, done func(*runtimeapi.ContainerStatus) bool) *runtimeapi.ContainerStatus {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s := n.status(id)
		if done(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.t.Fatalf("container %s stays %v", id, s)
		}
	}
}

// logText is what a container has written, without times and tags.
func logText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	var text strings.Builder
	for line := range strings.Lines(string(data)) {
		if words := strings.SplitN(line, " ", 4); len(words) == 4 {
			text.WriteString(words[1] + ":" + words[3])
		}
	}
	return text.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ids are the keys that a function gives for a list, sorted.
func ids[T any](list []T, id func(T) string) []string {
	all := map[string]bool{}
	for _, item := range list {
		all[id(item)] = true
	}
	return slices.Sorted(maps.Keys(all))
}
