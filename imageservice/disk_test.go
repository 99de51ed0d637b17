// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
)

// blobs returns the digests of all blob files under a root, sorted.
func blobs(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(root, "content", "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, filepath.Base(filepath.Dir(path))+":"+d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

// ingests returns the number of partial blobs under a root.
func ingests(t *testing.T, root string) int {
	return entries(t, filepath.Join(root, "content", "ingest"))
}

// layerDirs returns the number of snapshot directories of the overlay snapshotter under a root.
func layerDirs(t *testing.T, root string) int {
	return entries(t, filepath.Join(root, "snapshots", "overlay", "snapshots"))
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return len(list)
}

// wantNothing fails unless the store is as empty as when it was made: no image, blob, partial blob, layer or lease.
func wantNothing(t *testing.T, s *Service) {
	t.Helper()
	if list, err := s.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("images = %v, %v", list, err)
	}
	if names, err := s.content.Names(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("names = %v, %v", names, err)
	}
	if left := blobs(t, s.opts.Root); len(left) != 0 {
		t.Errorf("blobs left: %v", left)
	}
	if n := ingests(t, s.opts.Root); n != 0 {
		t.Errorf("%d partial blobs left", n)
	}
	if n := layerDirs(t, s.opts.Root); n != 0 {
		t.Errorf("%d layers left", n)
	}
	if leases, err := s.content.Leases(t.Context()); err != nil || len(leases) != 0 {
		t.Errorf("leases = %v, %v", leases, err)
	}
	if fs, err := s.Filesystem(t.Context()); err != nil || fs.UsedBytes != 0 || fs.Inodes != 0 {
		t.Errorf("file system = %+v, %v", fs, err)
	}
}

// blobsOf returns the digests an image is made of, sorted.
func blobsOf(t *testing.T, parts ...[]byte) []string {
	t.Helper()
	var list []string
	for _, p := range parts {
		list = append(list, digest.FromBytes(p).String())
	}
	slices.Sort(list)
	return list
}
