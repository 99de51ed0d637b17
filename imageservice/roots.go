// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/imageservice/content"
)

// PrepareRoot makes the writable root of a container from an image (an empty directory for a module) and returns the
// mounts that show it; nothing is mounted. The root that is there already is returned again.
func (s *Service) PrepareRoot(ctx context.Context, containerID, imageID string) ([]mount.Mount, error) {
	image, err := s.index.find(imageID)
	if err != nil {
		return nil, about(imageID, err)
	}
	mounts, err := s.trees.PrepareRoot(content.Context(ctx), containerID, image.chain)
	if errdefs.IsNotFound(err) { // unpacked by another snapshotter than the one in use now
		if err := s.unpackAgain(ctx, image); err != nil {
			return nil, about(imageID, err)
		}
		mounts, err = s.trees.PrepareRoot(content.Context(ctx), containerID, image.chain)
	}
	return mounts, about(imageID, s.describe(err))
}

// RemoveRoot removes a container's root; absent is fine. Its files are removed in the background.
func (s *Service) RemoveRoot(ctx context.Context, containerID string) error {
	collect, err := s.trees.RemoveRoot(content.Context(ctx), containerID, s.index.wants)
	s.trash.request()
	if collect {
		s.garbage.request()
	}
	return err
}

// collect removes what neither an image nor a container has.
func (s *Service) collect(ctx context.Context) error {
	return errors.Join(s.trees.DropKeepers(content.Context(ctx), s.index.wants), s.content.Collect(ctx))
}

// RootUsage returns what a container has written to its root: bytes on disk and inodes. It walks those files.
func (s *Service) RootUsage(ctx context.Context, containerID string) (bytes, inodes int64, err error) {
	return s.trees.RootUsage(content.Context(ctx), containerID)
}

// Roots returns the ids of the containers that have a root.
func (s *Service) Roots(ctx context.Context) ([]string, error) {
	return s.trees.Roots(content.Context(ctx))
}

// unpackAgain unpacks a stored image from its blobs.
func (s *Service) unpackAgain(ctx context.Context, image Image) (err error) {
	held, release, err := s.content.Lease(ctx, "unpack")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	names, err := s.content.Names(held)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name.Name != image.ID {
			continue
		}
		stored, err := s.readStored(held, name)
		if err != nil {
			return err
		}
		if err := s.unpack(held, image, stored.blobs, stored.layers, nil); err != nil {
			return s.describe(err)
		}
		return s.link(held, stored)
	}
	return errAbsent
}
