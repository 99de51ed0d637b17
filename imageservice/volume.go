// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"io"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice/content"
)

// PrepareVolume returns the mounts that show the files of an image, read-only, for a container to have them as a volume;
// nothing is mounted. The files of a module are one: the module, under its name. They are kept as long as the container
// has its root, which must be there, even when the image is removed.
func (s *Service) PrepareVolume(ctx context.Context, containerID, imageID string) ([]mount.Mount, error) {
	image, err := s.index.find(imageID)
	if err != nil {
		return nil, about(imageID, err)
	}
	mounts, err := s.volume(ctx, containerID, image)
	return mounts, about(imageID, s.describe(err))
}

// volume holds the image's layers first and looks for them then: what a collection between the two took is missed.
func (s *Service) volume(ctx context.Context, containerID string, image Image) (_ []mount.Mount, err error) {
	if image.Module != nil {
		var release func() error
		if release, err = s.unpackModule(ctx, &image); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	if image.chain != "" {
		if err := s.trees.Hold(content.Context(ctx), containerID, image.chain); err != nil {
			return nil, err
		}
	}
	tree, err := s.tree(ctx, image)
	if err != nil {
		return nil, err
	}
	return tree.Mounts(), nil
}

// unpackModule makes a layer whose one file is the module and sets it as the image's chain. The layer is held until
// release.
func (s *Service) unpackModule(ctx context.Context, image *Image) (release func() error, err error) {
	module := image.Module
	image.chain = digest.FromString("module " + module.Digest.String() + " " + module.Name)
	held, release, err := s.content.Lease(ctx, "volume")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, release())
		}
	}()
	unlock, err := s.busy.lock(held, "chain "+image.chain.String())
	if err != nil {
		return nil, err
	}
	defer unlock()
	err = s.trees.AddFile(held, image.chain, module.Name, func() (io.ReadCloser, error) {
		return s.content.OpenFile(held, module.Digest)
	})
	if err != nil {
		return nil, err
	}
	return release, s.measure(ctx)
}
