// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/continuity/fs"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// A container's root is a directory of the store's own above the layers of its image where the snapshotter is overlay:
// two databases need not be written and synced for each container. In the databases is one snapshot for all the roots
// above a chain, its keeper, which keeps the layers. Every other root is a snapshot: of the native snapshotter, and such
// as an older daemon has left.

// rootPrefix sets the keys of containers' snapshots apart from chain ids and unpack keys.
const rootPrefix = "container-"

// PrepareRoot makes the writable root of a container above chain and returns the mounts that show it. The root that is
// already there is returned again, with its files. A chain that is not unpacked is errdefs.ErrNotFound.
func (s *Store) PrepareRoot(ctx context.Context, id string, chain digest.Digest) ([]mount.Mount, error) {
	mounts, err := s.prepareRoot(ctx, id, chain)
	if err != nil {
		return nil, fmt.Errorf("root of container %s: %w", id, err)
	}
	return mounts, nil
}

func (s *Store) prepareRoot(ctx context.Context, id string, chain digest.Digest) ([]mount.Mount, error) {
	if s.name != Overlay {
		return s.prepareSnapshot(ctx, id, chain)
	}
	keeper, err := s.use(ctx, chain)
	if err != nil {
		return nil, err
	}
	made, err := s.roots.make(id, chain, keeper)
	if err != nil || !made {
		s.roots.unuse(chain)
	}
	if err != nil {
		return nil, err
	}
	return keeper.mounts(s.roots.path(id)), nil
}

func (s *Store) prepareSnapshot(ctx context.Context, id string, chain digest.Digest) ([]mount.Mount, error) {
	key := rootPrefix + id
	mounts, err := s.sn.Prepare(ctx, key, chain.String(), kept())
	if errdefs.IsAlreadyExists(err) {
		return s.sn.Mounts(ctx, key)
	}
	return mounts, err
}

// kept labels a snapshot that stays until it is removed.
func kept() snapshots.Opt {
	return snapshots.WithLabels(map[string]string{labelRoot: time.Now().UTC().Format(time.RFC3339)})
}

// RemoveRoot removes the root of a container; absent is fine. Its files are gone after the next Sweep. collect says that
// there is something for DropKeepers and a collection: a snapshot, or layers that no root lies on any more and that are
// not wanted.
func (s *Store) RemoveRoot(ctx context.Context, id string, wanted func(chain digest.Digest) bool) (collect bool, err error) {
	chain, own, held, err := s.roots.remove(id)
	if err != nil {
		return false, fmt.Errorf("root of container %s: %w", id, err)
	}
	collect = own && s.roots.unuse(chain) && !wanted(chain)
	if own && !held {
		return collect, nil
	}
	err = s.sn.Remove(ctx, rootPrefix+id)
	switch {
	case err == nil:
		return true, nil
	case errdefs.IsNotFound(err):
		return collect, nil
	}
	return collect, fmt.Errorf("root of container %s: %w", id, err)
}

// Hold keeps chain for as long as the root of the container is there, beside the chain that the root lies on. A chain
// that is not unpacked is held as soon as it is. A root that is absent is errdefs.ErrNotFound.
func (s *Store) Hold(ctx context.Context, id string, chain digest.Digest) error {
	own, err := s.roots.markHeld(id)
	if err == nil && own {
		_, err = s.sn.Prepare(ctx, rootPrefix+id, "", kept())
		if errdefs.IsAlreadyExists(err) {
			err = nil
		}
	}
	if err == nil {
		label := s.Label() + "/" + chain.Encoded()
		_, err = s.sn.Update(ctx, snapshots.Info{
			Name: rootPrefix + id, Labels: map[string]string{label: chain.String()},
		}, "labels."+label)
	}
	if err != nil {
		return fmt.Errorf("root of container %s: %w", id, err)
	}
	return nil
}

// RootUsage walks what the container has written and returns its size on disk and its number of inodes.
func (s *Store) RootUsage(ctx context.Context, id string) (bytes, inodes int64, err error) {
	if s.roots.has(id) {
		usage, err := fs.DiskUsage(ctx, s.roots.upper(id))
		if err != nil {
			return 0, 0, fmt.Errorf("root of container %s: %w", id, err)
		}
		return usage.Size, usage.Inodes, nil
	}
	usage, err := s.sn.Usage(ctx, rootPrefix+id)
	if err != nil {
		return 0, 0, fmt.Errorf("root of container %s: %w", id, err)
	}
	return usage.Size, usage.Inodes, nil
}

// Roots returns the ids of the containers that have a root, each once.
func (s *Store) Roots(ctx context.Context) ([]string, error) {
	ids := s.roots.list()
	err := s.sn.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		if id, ok := strings.CutPrefix(info.Name, rootPrefix); ok && !s.roots.has(id) {
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

// CheckRoot finds out whether the directories of a container's root are there.
func (s *Store) CheckRoot(ctx context.Context, id string) error {
	err := s.checkRoot(ctx, id)
	if err != nil {
		return fmt.Errorf("root of container %s: %w", id, err)
	}
	return nil
}

func (s *Store) checkRoot(ctx context.Context, id string) error {
	key := rootPrefix + id
	chain, own := s.roots.chain(id)
	if own {
		key = keeperKey(chain)
	}
	mounts, err := s.sn.Mounts(ctx, key)
	if own && errdefs.IsNotFound(err) { // not a root that was removed in the meantime
		return errors.New("nothing keeps its layers: " + err.Error())
	}
	if err != nil {
		return err
	}
	dst, err := destinationOf(mounts)
	if err != nil {
		return err
	}
	dirs := append([]string{dst.dir}, dst.parents...)
	if own {
		dirs = append(dirs, s.roots.upper(id))
	}
	for _, dir := range dirs {
		if err := isDirectory(dir); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes the files of roots that were removed.
func (s *Store) Sweep(context.Context) error {
	gone, err := s.roots.gone()
	for _, dir := range gone {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
