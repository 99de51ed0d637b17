// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// keeper is the snapshot that keeps a chain for all the roots above it, and shows what such a root is mounted like.
type keeper struct {
	pattern  mount.Mount
	uid, gid int // of a root's uppermost directory
}

// keeperPrefix sets keepers apart from all other keys. The empty chain has one, too.
const keeperPrefix = "roots-"

func keeperKey(chain digest.Digest) string { return keeperPrefix + chain.String() }

// use returns the keeper of a chain, which a root is about to use; see unuse.
func (s *Store) use(ctx context.Context, chain digest.Digest) (keeper, error) {
	r := &s.roots
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.keepers[chain]
	if !ok {
		var err error
		if k, err = s.makeKeeper(ctx, chain); err != nil {
			return k, err
		}
		r.keepers[chain] = k
	}
	r.uses[chain]++
	return k, nil
}

func (s *Store) makeKeeper(ctx context.Context, chain digest.Digest) (k keeper, err error) {
	mounts, err := s.sn.Prepare(ctx, keeperKey(chain), chain.String(), kept())
	if errdefs.IsAlreadyExists(err) {
		mounts, err = s.sn.Mounts(ctx, keeperKey(chain))
	}
	if err != nil {
		return k, err
	}
	own, err := destinationOf(mounts)
	if err != nil {
		return k, err
	}
	st, err := os.Stat(own.dir)
	if err != nil {
		return k, err
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return k, fmt.Errorf("%s: %w", own.dir, errdefs.ErrNotImplemented)
	}
	return keeper{mounts[0], int(owner.Uid), int(owner.Gid)}, nil
}

// mounts shows a root in dir.
func (k keeper) mounts(dir string) []mount.Mount {
	m := k.pattern
	if m.Type == "bind" {
		m.Source = dir + upperName
		return []mount.Mount{m}
	}
	m.Options = nil
	for _, option := range k.pattern.Options {
		switch {
		case strings.HasPrefix(option, "upperdir="):
			option = "upperdir=" + dir + upperName
		case strings.HasPrefix(option, "workdir="):
			option = "workdir=" + dir + workName
		}
		m.Options = append(m.Options, option)
	}
	// Else the kernel writes the whole file system out when the container ends, for files that end with it.
	m.Options = append(m.Options, "volatile")
	return []mount.Mount{m}
}

// DropKeepers lets go of the chains that no root lies on and that are not wanted, for the next collection. The others are
// kept for the next root.
func (s *Store) DropKeepers(ctx context.Context, wanted func(chain digest.Digest) bool) error {
	r := &s.roots
	r.mu.Lock()
	defer r.mu.Unlock()
	var idle []digest.Digest
	err := s.sn.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		name, ok := strings.CutPrefix(info.Name, keeperPrefix)
		if chain := digest.Digest(name); ok && r.uses[chain] == 0 && !wanted(chain) {
			idle = append(idle, chain)
		}
		return nil
	})
	for _, chain := range idle {
		delete(r.keepers, chain)
		if removeErr := s.sn.Remove(ctx, keeperKey(chain)); removeErr != nil && !errdefs.IsNotFound(removeErr) {
			err = errors.Join(err, fmt.Errorf("layers of %s: %w", chain, removeErr))
		}
	}
	return err
}
