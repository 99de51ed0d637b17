// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/registry"
)

// source is where the parts of an image come from.
type source interface {
	// Resolve finds what the image's name means, ResolveTag another tag of its repository.
	Resolve(ctx context.Context) (ocispec.Descriptor, error)
	ResolveTag(ctx context.Context, tag string) (ocispec.Descriptor, error)
	// Fetch opens a manifest or a blob.
	Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error)
	// Received is how many bytes of blobs have come so far, Expected how many are known to come; Expect adds to them.
	Received() int64
	Expected() int64
	Expect(bytes int64)
	Close()
}

// neighbour is a store of images on this node. What it lacks comes from the image's registry, as do signatures.
type neighbour struct {
	*registry.Session
	top   ocispec.Descriptor
	store content.Provider
}

func (n neighbour) Resolve(context.Context) (ocispec.Descriptor, error) { return n.top, nil }

func (n neighbour) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	blob, err := n.store.ReaderAt(ctx, desc)
	if errdefs.IsNotFound(err) {
		return n.Session.Fetch(ctx, desc)
	}
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(blob, 0, blob.Size()), blob}, nil
}

// Take gets an image as Pull does, from a store on this node that has it under the name ref as top. The image policy
// holds for it too, and every blob is checked against its digest.
func (s *Service) Take(ctx context.Context, ref string, top ocispec.Descriptor, store content.Provider) (Image, error) {
	named, err := parseRef(ref)
	if err != nil {
		return Image{}, about(ref, err)
	}
	image, err := s.pulls.do(ctx, "take "+named.String()+" "+top.Digest.String(), func(ctx context.Context) (Image, error) {
		return s.pull(ctx, named, neighbour{Session: s.session(named, nil), top: top, store: store})
	})
	if err != nil {
		return Image{}, about(ref, err)
	}
	return image.clone(), nil
}
