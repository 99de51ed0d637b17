// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"io"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

func TestPullImageOfFiles(t *testing.T) {
	h := newHub(t)
	digest := h.push(t, "app:1", helloImage(t, "hi"))
	s := newService(t, nil)

	image := mustPull(t, s, h.ref("app:1"))
	if want := h.ref("app:1"); len(image.Tags) != 1 || image.Tags[0] != want {
		t.Errorf("tags = %v, want %s", image.Tags, want)
	}
	if want := h.ref("app@" + digest); len(image.Digests) != 1 || image.Digests[0] != want {
		t.Errorf("digests = %v, want %s", image.Digests, want)
	}
	if image.Kind != KindFiles || image.Platform != "wasi/wasm" || image.Size <= 0 {
		t.Errorf("kind %q, platform %q, size %d", image.Kind, image.Platform, image.Size)
	}
	f, name, err := s.OpenEntry(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	body, err := io.ReadAll(f)
	if err != nil || string(body) != string(wasm) || name != "/hello.wasm" {
		t.Errorf("entry %s = %q, %v", name, body, err)
	}
}

func TestPullModuleArtifact(t *testing.T) {
	h := newHub(t)
	h.push(t, "tools/greet:1", moduleArtifact(t, wasm))
	s := newService(t, nil)

	image := mustPull(t, s, h.ref("tools/greet:1"))
	if image.Kind != KindModule || image.Platform != "wasip1/wasm" || image.Module == nil || image.Module.Name != "greet.wasm" {
		t.Fatalf("image = %+v", image)
	}
	f, err := s.OpenModule(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if body, err := io.ReadAll(f); err != nil || string(body) != string(wasm) {
		t.Errorf("module = %q, %v", body, err)
	}
	mounts, err := s.PrepareRoot(t.Context(), "c1", image.ID)
	if err != nil || len(mounts) != 1 {
		t.Fatalf("mounts = %v, %v", mounts, err)
	}
}

func TestPullOfAbsentImage(t *testing.T) {
	h := newHub(t)
	s := newService(t, nil)
	_, err := s.Pull(t.Context(), h.ref("none:1"), nil)
	if !errdefs.IsNotFound(err) || !strings.HasPrefix(err.Error(), "image "+h.ref("none:1")+": not found in registry") {
		t.Errorf("error = %v", err)
	}
}
