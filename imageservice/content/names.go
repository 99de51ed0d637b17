// SPDX-License-Identifier: Apache-2.0

package content

import (
	"context"
	"fmt"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Name is a root of the store: as long as it exists, its target and all that the target's labels lead to is kept.
type Name struct {
	Name   string
	Target ocispec.Descriptor
	Labels map[string]string
}

// Names returns all names, sorted.
func (s *Store) Names(ctx context.Context) ([]Name, error) {
	list, err := s.images.List(Context(ctx))
	if err != nil {
		return nil, fmt.Errorf("image names: %w", err)
	}
	names := make([]Name, len(list))
	for i, image := range list {
		names[i] = Name{Name: image.Name, Target: image.Target, Labels: image.Labels}
	}
	return names, nil
}

// SetNames makes the names, or points existing ones at their new targets, all in one transaction.
func (s *Store) SetNames(ctx context.Context, names ...Name) error {
	return s.Transaction(ctx, func(ctx context.Context) error {
		for _, name := range names {
			image := images.Image{Name: name.Name, Target: name.Target, Labels: name.Labels}
			_, err := s.images.Create(ctx, image)
			if errdefs.IsAlreadyExists(err) {
				_, err = s.images.Update(ctx, image)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveNames removes the names in one transaction; absent ones are fine. What they held stays until Collect.
func (s *Store) RemoveNames(ctx context.Context, names ...string) error {
	return s.Transaction(ctx, func(ctx context.Context) error {
		for _, name := range names {
			if err := s.images.Delete(ctx, name); err != nil && !errdefs.IsNotFound(err) {
				return err
			}
		}
		return nil
	})
}
