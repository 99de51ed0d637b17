// SPDX-License-Identifier: Apache-2.0

package imagegc_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

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

// ballast takes every byte of the image file system that is free, as a log or a
// database would.
type ballast struct {
	t    *testing.T
	file *os.File
	end  chan struct{} // closed by empty
	keep sync.WaitGroup
	once sync.Once
}

// fill fills the disk once.
func fill(t *testing.T) *ballast {
	t.Helper()
	file, err := os.CreateTemp(root(), "ballast-")
	if err != nil {
		t.Fatal(err)
	}
	b := &ballast{t: t, file: file, end: make(chan struct{})}
	t.Cleanup(b.empty)
	for b.more() > 0 { // what was removed just before comes back with the journal
	}
	return b
}

// keepFull also takes what becomes free, until empty is called.
func keepFull(t *testing.T) *ballast {
	t.Helper()
	b := fill(t)
	b.keep.Go(func() {
		for tick := time.Tick(10 * time.Millisecond); ; {
			select {
			case <-tick:
				b.more()
			case <-b.end:
				return
			}
		}
	})
	return b
}

// more takes what is free now and returns how many bytes that were.
func (b *ballast) more() (taken int) {
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		n, err := b.file.Write(chunk)
		taken += n
		if errors.Is(err, unix.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			b.t.Error(err)
			return 0
		}
	}
	if taken > 0 {
		if err := b.file.Sync(); err != nil {
			b.t.Error(err)
		}
	}
	return taken
}

// empty gives everything back.
func (b *ballast) empty() {
	b.once.Do(func() {
		close(b.end)
		b.keep.Wait()
		if err := errors.Join(os.Remove(b.file.Name()), b.file.Close()); err != nil {
			b.t.Error(err)
		}
	})
}
