// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

func TestRemoveByOneNameRemovesAll(t *testing.T) {
	h := newHub(t)
	image := helloImage(t, "hi")
	digest := h.push(t, "app:1", image)
	h.push(t, "app:2", image)
	h.push(t, "copy:1", image)
	s := newService(t, nil)
	for _, by := range []string{h.ref("app:1"), h.ref("copy@" + digest), "id", "prefix"} {
		var pulled Image
		for _, ref := range []string{"app:1", "app:2", "copy:1"} {
			pulled = mustPull(t, s, h.ref(ref))
		}
		if len(pulled.Tags) != 3 || len(pulled.Digests) != 2 {
			t.Fatalf("tags %v, digests %v", pulled.Tags, pulled.Digests)
		}
		switch by {
		case "id":
			by = pulled.ID
		case "prefix":
			by = strings.TrimPrefix(pulled.ID, "sha256:")[:12]
		}
		if err := s.Remove(t.Context(), by); err != nil {
			t.Fatal(err)
		}
		wantNothing(t, s)
		if err := s.Remove(t.Context(), by); err != nil {
			t.Errorf("removing the absent image: %v", err)
		}
	}
}

func TestRemoveLeavesWhatOthersShare(t *testing.T) {
	h := newHub(t)
	shared := gzipLayer(t, file{name: "hello.wasm", body: string(wasm)})
	a := filesImage(t, nil, shared, gzipLayer(t, file{name: "a", body: "a"}))
	b := filesImage(t, nil, shared, gzipLayer(t, file{name: "b", body: "b"}))
	h.push(t, "a:1", a)
	h.push(t, "b:1", b)
	s := newService(t, nil)
	mustPull(t, s, h.ref("a:1"))
	kept := mustPull(t, s, h.ref("b:1"))
	if err := s.Remove(t.Context(), h.ref("a:1")); err != nil {
		t.Fatal(err)
	}
	var parts [][]byte
	manifest, err := b.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := b.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	parts = append(parts, manifest, config)
	want := blobsOf(t, parts...)
	layers, err := b.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		d, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, d.String())
	}
	slices.Sort(want)
	if got := blobs(t, s.opts.Root); !slices.Equal(got, want) {
		t.Errorf("blobs = %v, want %v", got, want)
	}
	if n := layerDirs(t, s.opts.Root); n != 2 {
		t.Errorf("%d layers, want 2", n)
	}
	f, _, err := s.OpenEntry(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestRemoveWhileAContainerUsesTheImage(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil,
		gzipLayer(t, file{name: "hello.wasm", body: string(wasm)}), gzipLayer(t, file{name: "b", body: "b"})))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("app:1"))
	if _, err := s.PrepareRoot(t.Context(), "c1", image.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), image.ID); err != nil {
		t.Fatal(err)
	}
	if n := layerDirs(t, s.opts.Root); n != 3 {
		t.Errorf("%d directories, want the container's and its two layers", n)
	}
	if err := s.RemoveRoot(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	s.garbage.drain(t)
	if n := layerDirs(t, s.opts.Root); n != 0 {
		t.Errorf("%d directories left", n)
	}
}

func TestSimultaneousRemovals(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("app:1"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Remove(t.Context(), image.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantNothing(t, s)
}

// Pulls and removals of one image at the same time leave it either whole or gone.
func TestPullsAgainstRemovals(t *testing.T) {
	h := newHub(t)
	index := mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{Add: helloImage(t, "hi")})
	h.pushIndex(t, "app:1", index)
	s := newService(t, nil)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 5 {
				if _, err := s.Pull(t.Context(), h.ref("app:1"), nil); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 5 {
				if err := s.Remove(t.Context(), h.ref("app:1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	image := mustPull(t, s, h.ref("app:1"))
	f, _, err := s.OpenEntry(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := s.Remove(t.Context(), image.ID); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, s)
}
