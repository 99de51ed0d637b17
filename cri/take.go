// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	imagesapi "github.com/containerd/containerd/api/services/images/v1"
	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/imageservice"
)

// containerdNamespace is where containerd's CRI keeps its images.
const containerdNamespace = "k8s.io"

// takeImage gets an image from containerd's store, by containerd's own API, which is
// on the same socket as its CRI. Other runtimes have none: ErrNotImplemented.
func takeImage(images *imageservice.Service) func(context.Context, *runtimeapi.Image, grpc.ClientConnInterface) error {
	return func(ctx context.Context, image *runtimeapi.Image, upstream grpc.ClientConnInterface) error {
		ctx = namespaces.WithNamespace(ctx, containerdNamespace)
		store := proxy.NewContentStore(contentapi.NewContentClient(upstream))
		last := fmt.Errorf("image %s: has no name: %w", image.GetId(), errdefs.ErrNotFound)
		for _, name := range append(image.GetRepoDigests(), image.GetRepoTags()...) {
			known, err := imagesapi.NewImagesClient(upstream).Get(ctx, &imagesapi.GetImageRequest{Name: name})
			if err != nil {
				last = errgrpc.ToNative(err)
				continue
			}
			target := known.GetImage().GetTarget()
			top := ocispec.Descriptor{MediaType: target.GetMediaType(), Digest: digest.Digest(target.GetDigest()), Size: target.GetSize()}
			if _, err := images.Take(ctx, name, top, store); err != nil {
				return err
			}
			return nil
		}
		return last
	}
}
