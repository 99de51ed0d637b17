// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is where images are pushed to and read from: a registry that speaks
// plain HTTP.
type Registry struct {
	// Dial connects to the registry, whatever host the reference names.
	Dial func(ctx context.Context) (net.Conn, error)
	// Username and Password are used when the registry asks for them.
	Username, Password string
}

// Push stores an image or an index under the reference and returns the digest of
// its manifest.
func (r Registry) Push(ctx context.Context, ref string, image remote.Taggable) (v1.Hash, error) {
	reference, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return v1.Hash{}, err
	}
	switch image := image.(type) {
	case v1.Image:
		if err := remote.Write(reference, image, r.options(ctx)...); err != nil {
			return v1.Hash{}, fmt.Errorf("push %s: %w", ref, err)
		}
		return image.Digest()
	case v1.ImageIndex:
		if err := remote.WriteIndex(reference, image, r.options(ctx)...); err != nil {
			return v1.Hash{}, fmt.Errorf("push %s: %w", ref, err)
		}
		return image.Digest()
	default:
		return v1.Hash{}, fmt.Errorf("push %s: %T is neither an image nor an index", ref, image)
	}
}

// Get reads the descriptor and the manifest of a reference.
func (r Registry) Get(ctx context.Context, ref string) (*remote.Descriptor, error) {
	reference, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return nil, err
	}
	return remote.Get(reference, r.options(ctx)...)
}

// Delete removes a manifest, named by its digest, from the registry.
func (r Registry) Delete(ctx context.Context, ref string) error {
	reference, err := name.NewDigest(ref, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Delete(reference, r.options(ctx)...)
}

func (r Registry) options(ctx context.Context) []remote.Option {
	options := []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(&http.Transport{
			DisableKeepAlives: true, // a transport per call must leave nothing open
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return r.Dial(ctx) },
		}),
	}
	if r.Username != "" {
		options = append(options, remote.WithAuth(&authn.Basic{Username: r.Username, Password: r.Password}))
	}
	return options
}
