// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/moby/sys/userns"
	"github.com/opencontainers/go-digest"
)

// AddFile makes the snapshot called chain, with nothing in it but a file of that name and the content that open
// returns, unless it is there already. The context must carry a lease, which then holds the snapshot.
func (s *Store) AddFile(ctx context.Context, chain digest.Digest, name string, open func() (io.ReadCloser, error)) error {
	return s.make(ctx, "", chain, func(dst destination) error {
		content, err := open()
		if err != nil {
			return err
		}
		return errors.Join(writeSynced(filepath.Join(dst.dir, name), content), content.Close())
	})
}

// writeSynced makes a file that everybody may read, and returns when it is on disk.
func writeSynced(path string, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Chmod(0o444), f.Sync(), f.Close())
}

// Mounts returns the mounts that show the tree, read-only. There is one, which depends on nothing but the layers.
func (t Tree) Mounts() []mount.Mount {
	switch len(t.layers) {
	case 0:
		return []mount.Mount{{Type: "tmpfs", Source: "tmpfs", Options: []string{"ro", "size=4k"}}}
	case 1: // an overlay that cannot be written needs two
		return []mount.Mount{{Type: "bind", Source: t.layers[0], Options: []string{"ro", "bind"}}}
	}
	options := []string{"ro", "lowerdir=" + strings.Join(t.layers, ":")}
	if userns.RunningInUserNS() {
		options = append(options, "userxattr")
	}
	return []mount.Mount{{Type: "overlay", Source: "overlay", Options: options}}
}
