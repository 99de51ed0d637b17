// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// shown mounts a volume and returns the names of its files, and where it is.
func shown(t *testing.T, mounts []mount.Mount) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	if err := mount.All(mounts, dir); err != nil {
		t.Fatalf("%v: %v", mounts, err)
	}
	t.Cleanup(func() {
		if err := mount.UnmountAll(dir, 0); err != nil {
			t.Error(err)
		}
	})
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, names
}

func TestVolumeShowsAnImageReadOnly(t *testing.T) {
	h := newHub(t)
	h.push(t, "one:1", filesImage(t, nil, gzipLayer(t, file{name: "a", body: "a"})))
	h.push(t, "two:1", filesImage(t, nil,
		gzipLayer(t, file{name: "dir/old", body: "old"}, file{name: "gone", body: "x"}),
		gzipLayer(t, file{name: ".wh.gone"}, file{name: "dir/.wh..wh..opq"}, file{name: "dir/new", body: "new"})))
	h.push(t, "none:1", filesImage(t, nil))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	h.push(t, "app:1", helloImage(t, "hi"))
	for _, snapshotter := range []string{"overlay", "native"} {
		s := newService(t, func(o *Options) { o.Snapshotter = snapshotter })
		if _, err := s.PrepareRoot(t.Context(), "c1", mustPull(t, s, h.ref("app:1")).ID); err != nil {
			t.Fatal(err)
		}
		for ref, want := range map[string][]string{"one:1": {"a"}, "two:1": {"dir/new"}, "none:1": nil, "mod:1": {"mod.wasm"}} {
			t.Run(snapshotter+" "+ref, func(t *testing.T) {
				image := mustPull(t, s, h.ref(ref))
				mounts, err := s.PrepareVolume(t.Context(), "c1", image.ID)
				if err != nil {
					t.Fatal(err)
				}
				dir, names := shown(t, mounts)
				if !slices.Equal(names, want) {
					t.Errorf("files %q, want %q", names, want)
				}
				if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); !errors.Is(err, unix.EROFS) {
					t.Errorf("writing: %v", err)
				}
				again, err := s.PrepareVolume(t.Context(), "c1", image.ID)
				if err != nil || len(again) != 1 || again[0].Source != mounts[0].Source {
					t.Errorf("second time: %v, %v", again, err)
				}
			})
		}
	}
}

// An image that a container shows stays until the container's root is removed: across its removal, collections and
// restarts.
func TestVolumeIsKeptWithItsContainer(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	h.push(t, "data:1", filesImage(t, nil, gzipLayer(t, file{name: "a", body: "a"}), gzipLayer(t, file{name: "b", body: "b"})))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	for _, snapshotter := range []string{"overlay", "native"} {
		t.Run(snapshotter, func(t *testing.T) {
			s := newService(t, func(o *Options) { o.Snapshotter = snapshotter })
			app, data, mod := mustPull(t, s, h.ref("app:1")), mustPull(t, s, h.ref("data:1")), mustPull(t, s, h.ref("mod:1"))
			if _, err := s.PrepareRoot(t.Context(), "c1", app.ID); err != nil {
				t.Fatal(err)
			}
			var volumes [][]mount.Mount
			for _, image := range []Image{data, mod} {
				mounts, err := s.PrepareVolume(t.Context(), "c1", image.ID)
				if err != nil {
					t.Fatal(err)
				}
				volumes = append(volumes, mounts)
				if err := s.Remove(t.Context(), image.ID); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, s)
			for i, want := range [][]string{{"a", "b"}, {"mod.wasm"}} {
				if _, names := shown(t, volumes[i]); !slices.Equal(names, want) {
					t.Errorf("after the image was removed and a restart: %q, want %q", names, want)
				}
			}
			if _, err := s.PrepareVolume(t.Context(), "c1", data.ID); !errdefs.IsNotFound(err) {
				t.Errorf("a volume of a removed image: %v", err)
			}
			if err := s.RemoveRoot(t.Context(), "c1"); err != nil {
				t.Fatal(err)
			}
			if err := s.Remove(t.Context(), app.ID); err != nil {
				t.Fatal(err)
			}
			s.garbage.drain(t)
			if n := len(unpacked(t, s)); n != 0 {
				t.Errorf("%d directories of layers left", n)
			}
		})
	}
}

// A volume of a container without a root holds nothing: a process killed before it made the root leaves none.
func TestVolumeNeedsARoot(t *testing.T) {
	h := newHub(t)
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	h.push(t, "app:1", helloImage(t, "hi"))
	s := newService(t, nil)
	for _, ref := range []string{"mod:1", "app:1"} {
		image := mustPull(t, s, h.ref(ref))
		if _, err := s.PrepareVolume(t.Context(), "c1", image.ID); !errdefs.IsNotFound(err) {
			t.Errorf("%s: %v", ref, err)
		}
		if err := s.Remove(t.Context(), image.ID); err != nil {
			t.Fatal(err)
		}
	}
	wantNothing(t, s)
}

// unpacked lists the directories of the snapshotter in use.
func unpacked(t *testing.T, s *Service) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.trees.Dir(), "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
