// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"
)

const (
	// labelRoot keeps a snapshot from being collected that nothing else leads to.
	labelRoot = "containerd.io/gc.root"
	// labelDir is the directory of a layer's own files, relative to the backend's.
	labelDir = "wazelet.dev/directory"
)

// Store is a snapshotter with its metadata. It is safe for concurrent use. All contexts must carry the namespace of the
// content store that owns the metadata.
type Store struct {
	sn    snapshots.Snapshotter
	name  string
	dir   string
	roots roots
}

// New returns the store over a backend, with sn as the backend behind the metadata of the content store.
func New(b *Backend, sn snapshots.Snapshotter) (*Store, error) {
	s := &Store{sn: sn, name: b.Name, dir: b.Dir}
	if err := s.roots.open(b.Dir); err != nil {
		return nil, fmt.Errorf("snapshots %s: %w", b.Dir, err)
	}
	return s, nil
}

// Dir is the directory the snapshots are in.
func (s *Store) Dir() string { return s.dir }

// Label is the name of the label by which a blob keeps the chain of snapshots that is the label's value.
func (s *Store) Label() string { return "containerd.io/gc.ref.snapshot." + s.name }

// Touch makes and removes an empty snapshot: the next collection then visits the backend, also where the metadata saw
// no removal because the process was killed in between. On a full disk there is room for none: what such a process has
// left waits for the next removal.
func (s *Store) Touch(ctx context.Context) error {
	const key = "touch"
	if _, err := s.sn.Prepare(ctx, key, ""); isFull(err) {
		log.G(ctx).WithError(err).Warn("image store begins on a full disk")
		return nil
	} else if err != nil && !errdefs.IsAlreadyExists(err) {
		return fmt.Errorf("snapshots %s: %w", s.dir, err)
	}
	if err := s.sn.Remove(ctx, key); err != nil {
		return fmt.Errorf("snapshots %s: %w", s.dir, err)
	}
	return nil
}

// Check finds out whether the directories of an unpacked chain are there. A chain that is not unpacked has none.
func (s *Store) Check(ctx context.Context, chain digest.Digest) error {
	tree, err := s.Tree(ctx, chain)
	if errdefs.IsNotFound(err) {
		return nil
	}
	for _, dir := range tree.layers {
		if _, statErr := os.Stat(dir); statErr != nil {
			err = errors.Join(err, fmt.Errorf("layers of %s: %w", chain, statErr))
		}
	}
	return err
}

// Usage returns the size and the inodes of all unpacked layers, from the metadata. What containers have written is not
// part of it.
func (s *Store) Usage(ctx context.Context) (bytes, inodes int64, err error) {
	var committed []string
	err = s.sn.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		if info.Kind == snapshots.KindCommitted {
			committed = append(committed, info.Name)
		}
		return nil
	})
	for _, name := range committed {
		usage, usageErr := s.sn.Usage(ctx, name)
		if errdefs.IsNotFound(usageErr) {
			continue // removed since the walk
		}
		err = errors.Join(err, usageErr)
		bytes += usage.Size
		inodes += usage.Inodes
	}
	return bytes, inodes, err
}
