// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/registry"
)

// Target is where an image is pushed to.
type Target struct {
	Ref  string // with a tag; "latest" if it has none
	Auth *registry.Auth
	registry.Options
	Progress func(what string, size int64) // is told of each part before it is sent; nil for nobody
}

// Push stores the image and returns its reference by digest.
func (i *Image) Push(ctx context.Context, t Target) (string, error) {
	named, err := reference.ParseDockerRef(t.Ref)
	if err != nil {
		return "", fmt.Errorf("image %s: %w: %w", t.Ref, err, errdefs.ErrInvalidArgument)
	}
	if _, pinned := named.(reference.Digested); pinned {
		return "", fmt.Errorf("image %s: it is named by a digest, which its content decides: %w", t.Ref, errdefs.ErrInvalidArgument)
	}
	session := registry.Open(named, t.Auth, t.Options)
	defer session.Close()
	manifest := memoryBlob(ocispec.MediaTypeImageManifest, i.Manifest)
	for _, b := range append(i.blobs[:len(i.blobs):len(i.blobs)], manifest) {
		if t.Progress != nil {
			t.Progress(b.desc.MediaType, b.desc.Size)
		}
		if err := session.Push(ctx, b.desc, b.open); err != nil {
			return "", fmt.Errorf("image %s: %w", t.Ref, err)
		}
	}
	byDigest, err := reference.WithDigest(reference.TrimNamed(named), i.Digest)
	if err != nil {
		return "", err
	}
	return byDigest.String(), nil
}
