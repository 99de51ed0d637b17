// SPDX-License-Identifier: Apache-2.0

package content

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"
)

// leaseTerm ends a lease whose holder was killed and whose store was never opened by Recover again.
const leaseTerm = 24 * time.Hour

// Lease returns a context under which blobs and snapshots are made: they are kept until release, and after it only if
// a name leads to them. Release does not depend on ctx being alive.
func (s *Store) Lease(ctx context.Context, purpose string) (context.Context, func() error, error) {
	id := purpose + "-" + rand.Text()
	s.leasing.RLock() // a lease is not stale between being made and being known
	defer s.leasing.RUnlock()
	lease, err := s.leases.Create(Context(ctx), leases.WithID(id), leases.WithExpiration(leaseTerm))
	if err != nil {
		return nil, nil, fmt.Errorf("lease %s: %w", id, err)
	}
	held := Context(leases.WithLease(ctx, lease.ID))
	s.setHeld(lease.ID, true)
	release := func() error {
		defer s.setHeld(lease.ID, false)
		if err := s.leases.Delete(Context(context.WithoutCancel(ctx)), lease); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("lease %s: %w", id, err)
		}
		return nil
	}
	return held, release, nil
}

// Recover takes back what a killed process left half made: leases, ingests, blobs without metadata. It must run before
// the first lease of this process.
func (s *Store) Recover(ctx context.Context) error {
	ctx = Context(ctx)
	held, err := s.leases.List(ctx)
	if err != nil {
		return fmt.Errorf("leases: %w", err)
	}
	for _, lease := range held {
		log.G(ctx).WithField("lease", lease.ID).Info("taking back an unfinished pull")
		if err := s.leases.Delete(ctx, lease); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("lease %s: %w", lease.ID, err)
		}
	}
	if err := s.dropIngests(); err != nil {
		return fmt.Errorf("partial blobs: %w", err)
	}
	if err := s.Collect(ctx); err != nil {
		return err
	}
	return s.dropOrphans(ctx)
}

// dropIngests removes the files of every partial blob, in whatever state they are: no transfer is under way when a
// store is recovered. The collection that follows finds their records without a lease.
func (s *Store) dropIngests() error {
	dir := filepath.Join(s.dir, "ingest")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

// dropOrphans removes blob files that the metadata does not know: the process was killed between the rename of the
// file and the transaction that records it.
func (s *Store) dropOrphans(ctx context.Context) error {
	_, err := s.Orphans(ctx, true)
	return err
}

// Orphans returns the blob files that the metadata does not know, and with remove deletes them. It does so in a write
// transaction, because a transfer renames its file in the transaction that records it.
func (s *Store) Orphans(ctx context.Context, remove bool) (orphans []digest.Digest, err error) {
	err = s.Transaction(ctx, func(ctx context.Context) error {
		err := s.files.Walk(ctx, func(info content.Info) error {
			_, err := s.blobs.Info(ctx, info.Digest)
			if errdefs.IsNotFound(err) {
				orphans = append(orphans, info.Digest)
				err = nil
			}
			return err
		})
		for i := 0; remove && i < len(orphans); i++ {
			err = errors.Join(err, ignoreNotFound(s.files.Delete(ctx, orphans[i])))
		}
		return err
	})
	return orphans, err
}

func (s *Store) setHeld(id string, held bool) {
	s.holding.Lock()
	defer s.holding.Unlock()
	if held {
		s.held[id] = true
	} else {
		delete(s.held, id)
	}
}

// StaleLeases returns the leases that nobody holds since this store was opened, and with remove gives them up.
func (s *Store) StaleLeases(ctx context.Context, remove bool) (stale []string, err error) {
	s.leasing.Lock()
	defer s.leasing.Unlock()
	ids, err := s.Leases(ctx)
	if err != nil {
		return nil, err
	}
	s.holding.Lock()
	defer s.holding.Unlock()
	for _, id := range ids {
		if s.held[id] {
			continue
		}
		stale = append(stale, id)
		if remove {
			err = errors.Join(err, ignoreNotFound(s.leases.Delete(Context(ctx), leases.Lease{ID: id})))
		}
	}
	return stale, err
}

func ignoreNotFound(err error) error {
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// Leases returns the ids of all leases: the pulls under way.
func (s *Store) Leases(ctx context.Context) ([]string, error) {
	held, err := s.leases.List(Context(ctx))
	if err != nil {
		return nil, fmt.Errorf("leases: %w", err)
	}
	ids := make([]string, len(held))
	for i, lease := range held {
		ids[i] = lease.ID
	}
	return ids, nil
}
