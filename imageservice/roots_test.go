// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
)

// writable returns the directory that a root's writes go to.
func writable(t *testing.T, mounts []mount.Mount) string {
	t.Helper()
	if len(mounts) != 1 {
		t.Fatalf("mounts = %v", mounts)
	}
	for _, option := range mounts[0].Options {
		if upper, ok := strings.CutPrefix(option, "upperdir="); ok {
			return upper
		}
	}
	return mounts[0].Source
}

func TestRootOfAContainer(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	for _, snapshotter := range []string{"overlay", "native"} {
		for _, ref := range []string{"app:1", "mod:1"} {
			t.Run(snapshotter+" "+ref, func(t *testing.T) {
				s := newService(t, func(o *Options) { o.Snapshotter = snapshotter })
				image := mustPull(t, s, h.ref(ref))
				mounts, err := s.PrepareRoot(t.Context(), "c1", image.ID)
				if err != nil {
					t.Fatal(err)
				}
				before, inodes, err := s.RootUsage(t.Context(), "c1")
				if err != nil {
					t.Fatal(err)
				}
				dir := writable(t, mounts)
				if err := os.WriteFile(filepath.Join(dir, "data"), []byte(noise(1<<20)), 0o644); err != nil {
					t.Fatal(err)
				}
				after, more, err := s.RootUsage(t.Context(), "c1")
				if err != nil || after-before < 1<<20 || more-inodes != 1 {
					t.Errorf("usage %d bytes, %d inodes; then %d, %d; %v", before, inodes, after, more, err)
				}

				again, err := s.PrepareRoot(t.Context(), "c1", image.ID)
				if err != nil || writable(t, again) != dir {
					t.Errorf("second time: %v, %v", again, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = reopen(t, s)
				if roots, err := s.Roots(t.Context()); err != nil || !slices.Equal(roots, []string{"c1"}) {
					t.Errorf("roots = %v, %v", roots, err)
				}
				if _, err := os.Stat(filepath.Join(dir, "data")); err != nil {
					t.Errorf("what the container wrote is gone after a restart: %v", err)
				}

				for range 2 { // the second time it is absent
					if err := s.RemoveRoot(t.Context(), "c1"); err != nil {
						t.Fatal(err)
					}
				}
				if roots, err := s.Roots(t.Context()); err != nil || len(roots) != 0 {
					t.Errorf("roots = %v, %v", roots, err)
				}
				if _, _, err := s.RootUsage(t.Context(), "c1"); !errdefs.IsNotFound(err) {
					t.Errorf("usage of no root: %v", err)
				}
				if err := s.Close(); err != nil { // finishes the collection
					t.Fatal(err)
				}
				if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("directory of the removed root: %v", err)
				}
			})
		}
	}
}

func TestRootOfAnAbsentImage(t *testing.T) {
	s := newService(t, nil)
	if _, err := s.PrepareRoot(t.Context(), "c1", "sha256:"+strings.Repeat("a", 64)); !errdefs.IsNotFound(err) {
		t.Errorf("error = %v", err)
	}
	if roots, err := s.Roots(t.Context()); err != nil || len(roots) != 0 {
		t.Errorf("roots = %v, %v", roots, err)
	}
}

func TestFilesystem(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "b", body: noise(1 << 20)})))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("app:1"))
	used, err := s.Filesystem(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(used.Mountpoint); err != nil || !st.IsDir() {
		t.Errorf("mount point %s: %v", used.Mountpoint, err)
	}
	if least := uint64(image.Size) + 1<<20; used.UsedBytes < least || used.UsedBytes > least+1<<16 {
		t.Errorf("%d bytes used, about %d expected", used.UsedBytes, least)
	}
	if used.Inodes != 3+2 { // manifest, configuration and layer; the layer's root and its file
		t.Errorf("%d inodes", used.Inodes)
	}
}
