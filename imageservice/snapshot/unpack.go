// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// Layer is one layer of an image.
type Layer struct {
	Parent digest.Digest // chain id of the layers below; "" for the lowest
	Chain  digest.Digest // chain id of this layer and those below
	Diff   digest.Digest // digest of the layer's tar archive, uncompressed
}

// Unpack makes the snapshot of a layer from the blob that open returns, unless it is there already. The context must
// carry a lease, which then holds the snapshot. What the archive may contain is bounded by budget and cleaned by its
// rules; a layer that is refused leaves nothing. Calls for one chain at the same time are right but do the work twice.
func (s *Store) Unpack(ctx context.Context, layer Layer, budget *Budget, open func() (io.ReadCloser, error)) error {
	return s.make(ctx, layer.Parent, layer.Chain, func(dst destination) error {
		return s.extract(ctx, dst, layer, budget, open)
	})
}

// make makes the snapshot of a layer on top of parent, unless it is there already: fill writes its files.
func (s *Store) make(ctx context.Context, parent, chain digest.Digest, fill func(destination) error) (err error) {
	key := "unpack-" + rand.Text() + " " + chain.String()
	mounts, err := s.sn.Prepare(ctx, key, parent.String(),
		snapshots.WithLabels(map[string]string{snapshots.LabelSnapshotRef: chain.String()}))
	if errdefs.IsAlreadyExists(err) {
		return nil // and held by the lease from now on
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.sn.Remove(context.WithoutCancel(ctx), key))
		}
	}()
	dst, err := destinationOf(mounts)
	if err != nil {
		return err
	}
	if err := fill(dst); err != nil {
		return err
	}
	dir, err := filepath.Rel(s.dir, dst.dir)
	if err != nil {
		return err
	}
	return s.sn.Commit(ctx, chain.String(), key, snapshots.WithLabels(map[string]string{labelDir: dir}))
}

// extract writes the layer's files.
func (s *Store) extract(ctx context.Context, dst destination, layer Layer, budget *Budget, open func() (io.ReadCloser, error)) error {
	blob, err := open()
	if err != nil {
		return err
	}
	defer blob.Close()

	tar, err := decompress(blob)
	if err != nil {
		return err
	}
	defer tar.Close()

	digester := digest.Canonical.Digester()
	stream := io.TeeReader(budget.reader(tar), digester.Hash())
	if _, err := archive.Apply(ctx, dst.dir, stream, dst.options(budget)...); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, stream); err != nil { // padding after the end of the archive belongs to its digest
		return err
	}
	if got := digester.Digest(); got != layer.Diff {
		return &DiffError{Got: got, Want: layer.Diff}
	}
	return nil
}

// Sync writes everything unpacked so far to disk, so that names may be given to it.
func (s *Store) Sync() error {
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
}

// DiffError says that a layer is not the archive that the image's configuration names.
type DiffError struct{ Got, Want digest.Digest }

func (e *DiffError) Error() string {
	return fmt.Sprintf("the layer unpacks to %s, the image's configuration says %s", e.Got, e.Want)
}

// Unwrap returns errdefs.ErrDataLoss.
func (e *DiffError) Unwrap() error { return errdefs.ErrDataLoss }

// destination is where a layer's files are written: the snapshot's directory itself, never a mount of it.
type destination struct {
	dir     string
	parents []string // layers below, the nearest first; with them, whiteouts are written as overlayfs knows them
}

func destinationOf(mounts []mount.Mount) (destination, error) {
	if len(mounts) != 1 {
		return destination{}, fmt.Errorf("snapshot of %d mounts: %w", len(mounts), errdefs.ErrNotImplemented)
	}
	m := mounts[0]
	if m.Type == "bind" {
		return destination{dir: m.Source}, nil
	}
	var dst destination
	for _, option := range m.Options {
		if upper, ok := strings.CutPrefix(option, "upperdir="); ok {
			dst.dir = upper
		}
		if lower, ok := strings.CutPrefix(option, "lowerdir="); ok {
			dst.parents = strings.Split(lower, ":")
		}
	}
	if m.Type != "overlay" || dst.dir == "" {
		return destination{}, fmt.Errorf("snapshot mounted as %s: %w", m.Type, errdefs.ErrNotImplemented)
	}
	return dst, nil
}

func (d destination) options(budget *Budget) []archive.ApplyOpt {
	opts := []archive.ApplyOpt{archive.WithFilter(budget.admit)}
	if d.parents != nil {
		opts = append(opts, archive.WithParents(d.parents), archive.WithConvertWhiteout(overlayWhiteout))
	}
	return opts
}
