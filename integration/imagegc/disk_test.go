// SPDX-License-Identifier: Apache-2.0

package imagegc_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// root is wazelet's root as the test sees it.
func root() string { return cluster.Inside(cluster.Root()) }

// available is how many bytes of the image file system are free.
func available(t *testing.T) int64 {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(root(), &fs); err != nil {
		t.Fatal(err)
	}
	return int64(fs.Bavail) * fs.Bsize
}

// stored are the blobs, unpacked layers and containers' roots, and compiled modules on
// the disk.
func stored(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"content/blobs/*/*", "snapshots/overlay/snapshots/*", "modules/*"} {
		found, err := filepath.Glob(filepath.Join(root(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			t.Fatalf("nothing is %s", pattern)
		}
		for _, path := range found {
			path, err := filepath.Rel(root(), path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}

// fill takes every byte that is free, as a log or a database would, and returns how to
// give them back.
func fill(t *testing.T) (empty func()) {
	t.Helper()
	ballast, err := os.CreateTemp(root(), "ballast-")
	if err != nil {
		t.Fatal(err)
	}
	var once bool
	empty = func() {
		if once {
			return
		}
		once = true
		if err := errors.Join(os.Remove(ballast.Name()), ballast.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(empty)
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := ballast.Write(chunk); errors.Is(err, unix.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := ballast.Sync(); err != nil {
		t.Fatal(err)
	}
	return empty
}
