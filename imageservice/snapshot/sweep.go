// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/snapshots/storage"
	"github.com/containerd/errdefs"
)

// sweep removes the directories of a snapshotter that its database does not know, before it is opened: a process killed
// while it made a snapshot leaves one, and the next snapshot would get the same number and find its place taken.
func sweep(dir string) (err error) {
	snapshots := filepath.Join(dir, "snapshots")
	entries, err := os.ReadDir(snapshots)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	known, err := numbers(filepath.Join(dir, "metadata.db"))
	if err != nil {
		return fmt.Errorf("snapshotter %s: %w", dir, err)
	}
	for _, entry := range entries {
		if _, ok := known[entry.Name()]; !ok {
			err = errors.Join(err, os.RemoveAll(filepath.Join(snapshots, entry.Name())))
		}
	}
	return err
}

// numbers returns the names of the directories that a snapshotter's database knows.
func numbers(path string) (known map[string]string, err error) {
	db, err := storage.NewMetaStore(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.WithTransaction(context.Background(), false, func(ctx context.Context) error {
		known, err = storage.IDMap(ctx)
		if errdefs.IsNotFound(err) { // a new database
			return nil
		}
		return err
	})
	return known, err
}
