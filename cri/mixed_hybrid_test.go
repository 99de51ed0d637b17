// SPDX-License-Identifier: Apache-2.0

package cri

import (
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// TestAHybridPodHasContainersOnBothSides: the pod is the upstream runtime's, each
// container that of its image's side, and all of them end with the pod.
func TestAHybridPodHasContainersOnBothSides(t *testing.T) {
	n := newMixedNode(t, time.Minute)
	ctx := t.Context()
	wasmRef := n.publishModule("spin:v1", enginetest.Spin("on\n"))
	// The upstream runtime of this test runs it as what it is; by its name it is none.
	img, err := image.Files(image.Config{Entrypoint: []string{"/native"}, Platform: "linux/" + goruntime.GOARCH}, image.File{Path: "/native", Content: enginetest.Spin("on\n")})
	nativeRef := n.publish("native:v1", img, err)
	pod := n.pod("both")
	podID, err := n.runtime.RunPodSandbox(ctx, pod, "hybrid")
	must(t, err)
	ids := map[string]string{}
	for name, ref := range map[string]string{"wasm": wasmRef, "native": nativeRef} {
		imageID, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, pod)
		must(t, err)
		ids[name] = n.create(podID, n.container(name, ref, imageID), pod)
		must(t, n.runtime.StartContainer(ctx, ids[name]))
	}
	theirs, err := n.back.runtime.ListContainers(ctx, nil)
	must(t, err)
	if len(theirs) != 1 || theirs[0].GetId() != ids["native"] {
		t.Errorf("upstream has %v", theirs)
	}
	if images, err := n.back.images.ListImages(ctx, nil); err != nil || len(images) != 1 || images[0].GetRepoTags()[0] != nativeRef {
		t.Errorf("upstream pulled %v, %v", images, err)
	}
	all, err := n.runtime.ListContainers(ctx, &runtimeapi.ContainerFilter{PodSandboxId: podID})
	must(t, err)
	pods, err := n.runtime.ListPodSandbox(ctx, nil)
	must(t, err)
	if len(all) != 2 || len(pods) != 1 || pods[0].GetId() != podID {
		t.Errorf("containers %v\nof pods %v", all, pods)
	}
	stats, err := n.runtime.ListPodSandboxStats(ctx, nil)
	must(t, err)
	if len(stats) != 1 || len(stats[0].GetLinux().GetContainers()) != 2 {
		t.Errorf("measured %v", stats)
	}
	one, err := n.runtime.PodSandboxStats(ctx, podID)
	must(t, err)
	if len(one.GetLinux().GetContainers()) != 2 {
		t.Errorf("measured alone %v", one)
	}
	metrics, err := n.runtime.ListPodSandboxMetrics(ctx)
	must(t, err)
	if len(metrics) != 1 || len(metrics[0].GetContainerMetrics()) != 2 {
		t.Errorf("%d pods have metrics", len(metrics))
	}

	must(t, n.runtime.StopPodSandbox(ctx, podID))
	for name, id := range ids {
		if s := n.status(id); s.GetState() != runtimeapi.ContainerState_CONTAINER_EXITED {
			t.Errorf("%s after its pod: %v", name, s)
		}
	}
	must(t, n.runtime.RemovePodSandbox(ctx, podID))
	if left := n.containers.List(); len(left) != 0 {
		t.Errorf("containers left: %v", left)
	}
	// A name that is free again.
	_, err = n.runtime.RunPodSandbox(ctx, pod, "hybrid")
	must(t, err)
}

// TestAPodThatIsGoneUpstreamIsGone: somebody removed it without the node.
func TestAPodThatIsGoneUpstreamIsGone(t *testing.T) {
	n := newMixedNode(t, time.Minute)
	ctx := t.Context()
	ref := n.publishModule("spin:v1", enginetest.Spin("on\n"))
	pod := n.pod("both")
	podID, err := n.runtime.RunPodSandbox(ctx, pod, "hybrid")
	must(t, err)
	imageID, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, pod)
	must(t, err)
	must(t, n.runtime.StartContainer(ctx, n.create(podID, n.container("c", ref, imageID), pod)))
	events := n.subscribe()
	must(t, n.back.runtime.RemovePodSandbox(ctx, podID))
	n.gate.shut() // the next look is when it is back
	n.gate.open()
	for len(n.containers.List()) > 0 {
		_, err := events.Recv()
		must(t, err)
	}
	for deadline := time.Now().Add(30 * time.Second); len(n.sandboxes.List()) > 0; { // its own end is told upstream
		if time.Now().After(deadline) {
			t.Fatal("the adopted pod stays")
		}
		time.Sleep(time.Millisecond)
	}
	if got := n.pods(); got != "" {
		t.Errorf("pods %q", got)
	}
}

// TestANativeImageInAWasmPodIsRefusedWithAdvice names the handler that runs it.
func TestANativeImageInAWasmPodIsRefusedWithAdvice(t *testing.T) {
	n := newMixedNode(t, time.Minute)
	img, err := image.Files(image.Config{Entrypoint: []string{"/bin/true"}, Platform: "linux/" + goruntime.GOARCH}, image.File{Path: "/bin/true", Content: []byte("\x7fELF\x02\x01\x01")})
	ref := n.publish("native:v1", img, err)
	pod := n.pod("wasm")
	podID := n.run(pod)
	_, err = n.runtime.CreateContainer(t.Context(), podID, n.container("c", ref, n.pull(ref)), pod)
	if err == nil || !strings.Contains(err.Error(), "native containers run in pods whose RuntimeClass has the handler hybrid") {
		t.Errorf("refused with %v", err)
	}
}
