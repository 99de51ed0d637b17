// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

func unwanted(digest.Digest) bool { return false }

func keys(ctx context.Context, t *testing.T, s *Store) (names []string) {
	t.Helper()
	err := s.sn.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		names = append(names, info.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A chain is kept as long as a root lies on it, by one snapshot for all of them; and a root is what a snapshot would
// be, but for the place.
func TestKeeper(t *testing.T) {
	ctx, s := newStore(t, Overlay)
	chain := mustUnpack(ctx, t, s, archiveOf(t, regular("a", "1")), archiveOf(t, regular("b", "2")))
	want, err := s.sn.Prepare(ctx, "ordinary", chain.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"c1", "c2", "c1"} {
		have, err := s.PrepareRoot(ctx, id, chain)
		if err != nil {
			t.Fatal(err)
		}
		own, err := destinationOf(want)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(strings.Join(want[0].Options, ","), filepath.Dir(own.dir), s.roots.path(id))
		text += ",volatile"
		if have[0].Type != want[0].Type || strings.Join(have[0].Options, ",") != text {
			t.Errorf("%s is mounted as %+v, want %s", id, have, text)
		}
		if err := s.CheckRoot(ctx, id); err != nil {
			t.Error(err)
		}
	}
	if n := len(slices.DeleteFunc(keys(ctx, t, s), func(key string) bool { return !strings.HasPrefix(key, keeperPrefix) })); n != 1 {
		t.Errorf("%d keepers", n)
	}
	for i, id := range []string{"c1", "c2"} {
		if err := s.DropKeepers(ctx, unwanted); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(keys(ctx, t, s), keeperKey(chain)) {
			t.Fatalf("nothing keeps the layers of %s", id)
		}
		collect, err := s.RemoveRoot(ctx, id, unwanted)
		if err != nil || collect != (i == 1) {
			t.Errorf("%s removed: %t, %v", id, collect, err)
		}
	}
	if err := s.DropKeepers(ctx, unwanted); err != nil || slices.Contains(keys(ctx, t, s), keeperKey(chain)) {
		t.Errorf("kept for nobody: %v", err)
	}
	if _, err := s.PrepareRoot(ctx, "c3", chain); err != nil {
		t.Error(err)
	}
	wanted := func(c digest.Digest) bool { return c == chain }
	if collect, err := s.RemoveRoot(ctx, "c3", wanted); collect || err != nil {
		t.Errorf("wanted, but to be collected: %v", err)
	}
	if err := s.DropKeepers(ctx, wanted); err != nil || !slices.Contains(keys(ctx, t, s), keeperKey(chain)) {
		t.Errorf("wanted, but let go of: %v", err)
	}
}

// What an interrupted process has left is swept; roots that were whole are there again, and keep their layers.
func TestRootsAfterARestart(t *testing.T) {
	ctx, s := newStore(t, Overlay)
	chain := mustUnpack(ctx, t, s, archiveOf(t, regular("a", "1")))
	for _, id := range []string{"whole", "module"} {
		below := chain
		if id == "module" {
			below = ""
		}
		if _, err := s.PrepareRoot(ctx, id, below); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.roots.upper("whole")+"/data", []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.roots.dir, newName+"half")+upperName, 0o700); err != nil {
		t.Fatal(err)
	}
	again := &Store{sn: s.sn, name: s.name, dir: s.dir}
	if err := again.roots.open(s.dir); err != nil {
		t.Fatal(err)
	}
	if err := again.DropKeepers(ctx, unwanted); err != nil {
		t.Fatal(err)
	}
	ids, err := again.Roots(ctx)
	slices.Sort(ids)
	if err != nil || !slices.Equal(ids, []string{"module", "whole"}) {
		t.Fatalf("roots %q, %v", ids, err)
	}
	for _, id := range ids {
		if err := again.CheckRoot(ctx, id); err != nil {
			t.Error(err)
		}
	}
	if bytes, _, err := again.RootUsage(ctx, "whole"); err != nil || bytes < 4 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
	if collect, err := again.RemoveRoot(ctx, "whole", unwanted); !collect || err != nil {
		t.Errorf("removed: %t, %v", collect, err)
	}
	if err := again.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.roots.dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "module" {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// Other chains are held for a root by a snapshot of its own, which goes with it.
func TestHeldChains(t *testing.T) {
	for _, backend := range []string{Overlay, Native} {
		t.Run(backend, func(t *testing.T) {
			ctx, s := newStore(t, backend)
			chain := mustUnpack(ctx, t, s, archiveOf(t, regular("a", "1")))
			if err := s.Hold(ctx, "c1", chain); !errdefs.IsNotFound(err) {
				t.Errorf("without a root: %v", err)
			}
			if _, err := s.PrepareRoot(ctx, "c1", ""); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.Hold(ctx, "c1", chain); err != nil {
					t.Fatal(err)
				}
			}
			info, err := s.sn.Stat(ctx, rootPrefix+"c1")
			if err != nil || info.Labels[s.Label()+"/"+chain.Encoded()] != chain.String() || info.Labels[labelRoot] == "" {
				t.Errorf("labels %v, %v", info.Labels, err)
			}
			if ids, err := s.Roots(ctx); err != nil || !slices.Equal(ids, []string{"c1"}) {
				t.Errorf("roots %q, %v", ids, err)
			}
			if collect, err := s.RemoveRoot(ctx, "c1", func(digest.Digest) bool { return true }); !collect || err != nil {
				t.Errorf("removed: %t, %v", collect, err)
			}
			if slices.Contains(keys(ctx, t, s), rootPrefix+"c1") {
				t.Error("still held")
			}
		})
	}
}

// A root that lacks a directory is found.
func TestCheckOfARoot(t *testing.T) {
	ctx, s := newStore(t, Overlay)
	chain := mustUnpack(ctx, t, s, archiveOf(t, regular("a", "1")))
	if _, err := s.PrepareRoot(ctx, "c1", chain); err != nil {
		t.Fatal(err)
	}
	if err := unix.Rmdir(s.roots.upper("c1")); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckRoot(ctx, "c1"); err == nil || errdefs.IsNotFound(err) {
		t.Errorf("without its directory: %v", err)
	}
	if err := s.CheckRoot(ctx, "c2"); !errdefs.IsNotFound(err) {
		t.Errorf("one that is not there: %v", err)
	}
}

// TestRootsCostNoSync: only the first root above a chain is written to the databases.
func TestRootsCostNoSync(t *testing.T) {
	ctx, s := newStore(t, Overlay)
	chain := mustUnpack(ctx, t, s, archiveOf(t, regular("a", "1")))
	root := func(id string) {
		t.Helper()
		if _, err := s.PrepareRoot(ctx, id, chain); err != nil {
			t.Fatal(err)
		}
	}
	root("c1")
	written := func() int64 {
		st, err := os.Stat(filepath.Join(s.dir, "metadata.db"))
		if err != nil {
			t.Fatal(err)
		}
		return st.ModTime().UnixNano()
	}
	before := written()
	root("c2")
	if _, err := s.RemoveRoot(ctx, "c2", unwanted); err != nil {
		t.Fatal(err)
	}
	if after := written(); after != before {
		t.Error("the database was written to")
	}
}
