// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// topOf is the first directory of an absolute path.
func topOf(path string) string {
	top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return top
}

// ownerOf is the uid in what Stat gives.
func ownerOf(sys any) int {
	stat, ok := sys.(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(stat.Uid)
}

// listing is what a directory holds, a name per line; empty when it is absent.
func listing(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintln(&text, filepath.Base(name))
	}
	return text.String()
}

// modified is what a directory holds with the time each was last changed.
func modified(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	for name := range strings.Lines(listing(t, dir)) {
		info, err := os.Stat(filepath.Join(dir, strings.TrimSpace(name)))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text, info.Name(), info.ModTime())
	}
	return text.String()
}
