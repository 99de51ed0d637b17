// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// TestImagesAreOneNamespace: an image is the node's, whichever side has it, and a pod
// of either side runs from it.
func TestImagesAreOneNamespace(t *testing.T) {
	n := newMixedNode(t, time.Minute)
	ctx := t.Context()
	theirRef := n.publishModule("theirs:v1", enginetest.Print(1, "theirs\n"))
	ownRef := n.publishModule("ours:v1", enginetest.Print(1, "ours\n"))
	theirPod, ownPod := n.pod("theirs"), n.pod("ours")
	theirPodID, ownPodID := n.runUpstream(theirPod), n.run(ownPod)
	pull := func(ref string, pod *runtimeapi.PodSandboxConfig) string {
		t.Helper()
		id, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, pod)
		must(t, err)
		return id
	}
	theirID, ownID := pull(theirRef, theirPod), pull(ownRef, ownPod)
	for _, c := range []struct {
		who  string
		node *testNode
		want int
	}{{"upstream", n.back, 1}, {"node", n.testNode, 2}} {
		list, err := c.node.images.ListImages(ctx, nil)
		if err != nil || len(list) != c.want {
			t.Errorf("%s has %v, %v", c.who, list, err)
		}
	}
	for _, ref := range []string{theirRef, ownRef, theirID, ownID} {
		s, err := n.images.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: ref}, false)
		if err != nil || s.GetImage() == nil {
			t.Errorf("%s: %v, %v", ref, s, err)
		}
	}

	// Each pod from the image that only the other side has.
	for _, c := range []struct {
		podID, ref, id string
		pod            *runtimeapi.PodSandboxConfig
	}{{ownPodID, theirRef, theirID, ownPod}, {theirPodID, ownRef, ownID, theirPod}} {
		container := n.create(c.podID, n.container("other", c.ref, c.id), c.pod)
		must(t, n.runtime.StartContainer(ctx, container))
		if s := n.awaitExit(container); s.GetExitCode() != 0 || s.GetImageId() != c.id {
			t.Errorf("%s: %v", c.ref, s)
		}
		must(t, n.runtime.RemoveContainer(ctx, container))
	}
	list, err := n.images.ListImages(ctx, nil)
	if err != nil || len(list) != 2 {
		t.Errorf("images in both: %v, %v", list, err)
	}

	// Measured and removed as one.
	fs, err := n.images.ImageFsInfo(ctx)
	must(t, err)
	own, err := n.back.images.ImageFsInfo(ctx)
	must(t, err)
	if len(fs.GetImageFilesystems()) != 1 || fs.GetImageFilesystems()[0].GetUsedBytes().GetValue() <= own.GetImageFilesystems()[0].GetUsedBytes().GetValue() {
		t.Errorf("file systems %v, upstream %v", fs, own)
	}
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: theirRef}))
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: ownID}))
	for _, node := range []*testNode{n.testNode, n.back} {
		if list, err := node.images.ListImages(ctx, nil); err != nil || len(list) != 0 {
			t.Errorf("left %v, %v", list, err)
		}
	}
}

// TestANameOfTwoImages: where a name means another image on each side, the node shows
// the one that a pull gives, and removes both.
func TestANameOfTwoImages(t *testing.T) {
	n := newMixedNode(t, time.Minute)
	ctx := t.Context()
	ref := n.publishModule("moved:v1", enginetest.Print(1, "old\n"))
	pull := func(handler string) string {
		t.Helper()
		id, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref, RuntimeHandler: handler}, nil, nil)
		must(t, err)
		return id
	}
	theirs := pull("upstream")
	n.publishModule("moved:v1", enginetest.Print(1, "new\n"))
	ours := pull("")
	if theirs == ours {
		t.Fatalf("one image: %s", ours)
	}
	for handler, want := range map[string]string{"": ours, "upstream": theirs} {
		s, err := n.images.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: ref, RuntimeHandler: handler}, false)
		if err != nil || s.GetImage().GetId() != want {
			t.Errorf("handler %q: %v, %v; want %s", handler, s, err, want)
		}
	}
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: ref}))
	if list, err := n.images.ListImages(ctx, nil); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestWasmNeedsNoUpstreamForItsImages: an upstream runtime that is away keeps no Wasm
// pod from its image.
func TestWasmNeedsNoUpstreamForItsImages(t *testing.T) {
	n := newMixedNode(t, time.Second)
	ctx := t.Context()
	n.gate.shut()
	n.awaitUpstream(false)
	ref := n.publishModule("ours:v1", enginetest.Print(1, "ours\n"))
	if s, err := n.images.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: ref}, false); err != nil || s.GetImage() != nil {
		t.Errorf("before: %v, %v", s, err)
	}
	pod := n.pod("ours")
	podID := n.run(pod)
	id, err := n.images.PullImage(ctx, &runtimeapi.ImageSpec{Image: ref}, nil, pod)
	must(t, err)
	if s, err := n.images.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: id}, false); err != nil || s.GetImage() == nil {
		t.Errorf("after: %v, %v", s, err)
	}
	must(t, n.runtime.RemovePodSandbox(ctx, podID))
	must(t, n.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: id}))
	n.gate.open()
	n.awaitUpstream(true)
	_, err = n.runtime.ListPodSandbox(context.Background(), nil)
	must(t, err)
}
