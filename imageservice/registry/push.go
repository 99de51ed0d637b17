// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Push stores what desc names in the repository, unless it is there. A manifest
// gets the reference's tag. open returns the bytes.
func (s *Session) Push(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error)) (err error) {
	what := "blob " + desc.Digest.String()
	pusher, err := s.resolver.Pusher(quiet(ctx), s.ref.String())
	if err != nil {
		return s.explain(ctx, err, what)
	}
	ctx = remotes.WithMediaTypeKeyPrefix(ctx, desc.MediaType, "blob")
	w, err := pusher.Push(quiet(ctx), desc)
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return s.explain(ctx, err, what)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close()
	if err := content.Copy(ctx, w, body, desc.Size, desc.Digest); err != nil && !errdefs.IsAlreadyExists(err) {
		return s.explain(ctx, err, what)
	}
	return nil
}
