// SPDX-License-Identifier: Apache-2.0

// Package content keeps what images are made of: blobs by digest, the names that point at them, and the leases that
// hold them while an image is still being made.
//
// It embeds containerd's content store and metadata database. Nothing is deleted by hand: an object that no name,
// lease or root label leads to is garbage, and Collect removes it.
package content

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/metadata/boltutil"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"go.etcd.io/bbolt"
)

// Namespace is the containerd namespace of every object. It is the one a kubelet's images live in everywhere, so
// content can pass between this store and a containerd without being renamed.
const Namespace = "k8s.io"

// lockWait is how long Open waits for the lock of the database, which no other process should have.
const lockWait = 2 * time.Second

// Store is the content store with its metadata. It is safe for concurrent use.
type Store struct {
	dir    string // of the blob files
	meta   *metadata.DB
	files  content.Store
	blobs  content.Store
	images images.Store
	leases leases.Manager

	leasing sync.RWMutex // see StaleLeases
	holding sync.Mutex   // guards held
	held    map[string]bool

	collecting sync.Mutex // a collection deletes files after it let go of the metadata; the next caller waits for that
}

// Open opens or makes the store under root: blobs in root/content, metadata in root/metadata.db. The snapshotters, by
// name, share its leases and its garbage collection. The caller has seen to it that no other process uses root.
func Open(ctx context.Context, root string, snapshotters map[string]snapshots.Snapshotter) (*Store, error) {
	dir := filepath.Join(root, "content")
	if err := os.MkdirAll(filepath.Join(dir, "blobs"), 0o700); err != nil {
		return nil, fmt.Errorf("content store: %w", err)
	}
	files, err := local.NewStore(dir)
	if err != nil {
		return nil, fmt.Errorf("content store: %w", err)
	}
	path := filepath.Join(root, "metadata.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
	if err != nil {
		return nil, fmt.Errorf("image metadata %s: %w", path, err)
	}
	meta := metadata.NewDB(db, files, snapshotters)
	if err := meta.Init(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("image metadata %s: %w", path, err), meta.Close())
	}
	return &Store{
		dir:    dir,
		meta:   meta,
		files:  files,
		blobs:  meta.ContentStore(),
		images: metadata.NewImageStore(meta),
		leases: metadata.NewLeaseManager(meta),
		held:   map[string]bool{},
	}, nil
}

// Close waits for a collection that is under way and closes the database.
func (s *Store) Close() error { return s.meta.Close() }

// Context returns ctx with the store's namespace, which the objects returned by Snapshotter need.
func Context(ctx context.Context) context.Context { return namespaces.WithNamespace(ctx, Namespace) }

// Snapshotter returns the snapshotter of that name with the store's metadata in front of it, or nil.
func (s *Store) Snapshotter(name string) snapshots.Snapshotter { return s.meta.Snapshotter(name) }

// Transaction runs fn in one write transaction of the metadata: either all changes made with the context it gets are
// kept, or none.
func (s *Store) Transaction(ctx context.Context, fn func(context.Context) error) error {
	return s.meta.Update(func(tx *bbolt.Tx) error {
		return fn(boltutil.WithTransaction(Context(ctx), tx))
	})
}

// Collect removes everything that nothing leads to and returns when it is gone from disk.
func (s *Store) Collect(ctx context.Context) error {
	s.collecting.Lock()
	defer s.collecting.Unlock()
	if _, err := s.meta.GarbageCollect(Context(ctx)); err != nil {
		return fmt.Errorf("garbage collection: %w", err)
	}
	return nil
}
