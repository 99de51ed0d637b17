// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"go.uber.org/goleak"

	"github.com/wazelet/wazelet/imageservice/content"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newStore opens a store with its metadata over a new directory and returns a context with a lease on it.
func newStore(t testing.TB, name string) (context.Context, *Store) {
	t.Helper()
	root := t.TempDir()
	backend, err := OpenBackend(root, name)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := content.Open(t.Context(), root, map[string]snapshots.Snapshotter{backend.Name: backend})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := meta.Close(); err != nil {
			t.Error(err)
		}
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, _, err := meta.Lease(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(backend, meta.Snapshotter(backend.Name))
	if err != nil {
		t.Fatal(err)
	}
	return ctx, s
}

// entryOf is a tar entry: a regular file unless hdr says otherwise.
type entryOf struct {
	tar.Header
	body string
}

func regular(name, body string) entryOf { return entryOf{tar.Header{Name: name, Mode: 0o644}, body} }

func directory(name string) entryOf {
	return entryOf{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}

func symlink(name, target string) entryOf {
	return entryOf{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}, ""}
}

func hardlink(name, target string) entryOf {
	return entryOf{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o644}, ""}
}

// archiveOf builds a tar archive.
func archiveOf(t testing.TB, entries ...entryOf) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		hdr := e.Header
		if hdr.Typeflag == 0 {
			hdr.Typeflag, hdr.Size = tar.TypeReg, int64(len(e.body))
		}
		if err := w.WriteHeader(&hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack unpacks an archive above parent and returns the chain id.
func unpack(ctx context.Context, s *Store, parent digest.Digest, archive []byte, budget *Budget) (digest.Digest, error) {
	diff := digest.FromBytes(archive)
	layer := Layer{Parent: parent, Diff: diff, Chain: diff}
	if parent != "" {
		layer.Chain = identity.ChainID([]digest.Digest{parent, diff})
	}
	err := s.Unpack(ctx, layer, budget, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil })
	return layer.Chain, err
}

func mustUnpack(ctx context.Context, t testing.TB, s *Store, archives ...[]byte) (chain digest.Digest) {
	t.Helper()
	for _, archive := range archives {
		var err error
		if chain, err = unpack(ctx, s, chain, archive, NewBudget(1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	return chain
}
