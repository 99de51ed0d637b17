// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/log"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/content"
)

// Damage is an image whose bytes on disk are not what they were.
type Damage struct {
	Image Image
	Cause error // names the blob or the layers
}

// Check reads everything that images are made of and compares it with its digests; of unpacked layers it finds out
// whether they are there. With repair, a damaged image is removed, so that it is pulled again when somebody wants it.
func (s *Service) Check(ctx context.Context, repair bool) ([]Damage, error) {
	names, err := s.content.Names(ctx)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]content.Name)
	for _, name := range names {
		byName[name.Name] = name
	}
	var damages []Damage
	for _, image := range s.index.list() {
		if err := ctx.Err(); err != nil {
			return damages, context.Cause(ctx)
		}
		cause := s.checkImage(ctx, image, byName[image.ID])
		if cause == nil {
			continue
		}
		damages = append(damages, Damage{Image: image, Cause: cause})
		if repair {
			log.G(ctx).WithField("image_id", image.ID).WithError(cause).Warn("damaged image removed")
			if err := s.forget(ctx, image.ID); err != nil {
				return damages, about(image.ID, err)
			}
		}
	}
	if !repair || len(damages) == 0 {
		return damages, nil
	}
	return damages, errors.Join(s.content.Collect(ctx), s.measure(ctx))
}

func (s *Service) checkImage(ctx context.Context, image Image, name content.Name) error {
	stored, err := s.readStored(ctx, name)
	if err != nil {
		return err
	}
	for _, blob := range append([]ocispec.Descriptor{stored.manifest, stored.config}, stored.blobs...) {
		if err := s.checkBlob(ctx, blob); err != nil {
			return err
		}
	}
	return s.trees.Check(content.Context(ctx), image.chain)
}

// checkBlob reads a blob and compares it with its digest.
func (s *Service) checkBlob(ctx context.Context, desc ocispec.Descriptor) (err error) {
	r, err := s.content.Reader(ctx, desc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	verifier := desc.Digest.Verifier()
	n, err := io.Copy(verifier, r)
	switch {
	case err != nil:
		return fmt.Errorf("blob %s: %w", desc.Digest, err)
	case n != desc.Size:
		return &content.MismatchError{Want: desc, Size: n}
	case !verifier.Verified():
		return fmt.Errorf("blob %s: %w", desc.Digest, errChanged)
	}
	return nil
}

var errChanged = errors.New("its bytes on disk have another digest")
