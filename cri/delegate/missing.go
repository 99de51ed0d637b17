// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// An image that one side has is shown as the node's, so that the kubelet does not pull
// it for a pod of the other side. What is missing there is got when the container is
// made, under the name by digest: it is the very image that the kubelet was shown.

// createHere makes a container of Wazelet's own. An image that only the upstream
// runtime has is taken from it.
func (r *Router) createHere(ctx context.Context, q *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	answer, err := r.local.Runtime.CreateContainer(ctx, q)
	ref := q.GetConfig().GetImage().GetImage()
	if errdefs.IsInvalidArgument(err) {
		return answer, r.advise(ctx, ref, err)
	}
	if !isNotFound(err) {
		return answer, err
	}
	here, statusErr := r.local.Images.ImageStatus(ctx, imageStatus(ref))
	if statusErr != nil || here.GetImage() != nil {
		return answer, err
	}
	there, statusErr := r.up.images.ImageStatus(passOn(ctx), imageStatus(ref))
	if statusErr != nil || there.GetImage() == nil {
		return answer, err
	}
	if err := r.take(ctx, there.GetImage(), q); err != nil {
		return nil, err
	}
	return r.local.Runtime.CreateContainer(ctx, q)
}

// advise adds to the refusal of a native image where it can run.
func (r *Router) advise(ctx context.Context, ref string, err error) error {
	wasm, here := r.local.Hybrid.IsWasm(ctx, ref)
	if wasm || !here {
		return err
	}
	if hybrids := slices.Sorted(maps.Keys(r.local.Hybrid.Handlers)); len(hybrids) > 0 {
		return fmt.Errorf("%w: the image is not WebAssembly: native containers run in pods whose RuntimeClass has the handler %s, beside Wasm ones, or without this RuntimeClass", err, strings.Join(hybrids, " or "))
	}
	return fmt.Errorf("%w: the image is not WebAssembly: native containers run in pods without this RuntimeClass, which the upstream runtime makes", err)
}

// take gets an image of the upstream runtime's.
func (r *Router) take(ctx context.Context, image *runtimeapi.Image, q *runtimeapi.CreateContainerRequest) error {
	logger := log.G(ctx).WithField("image_id", image.GetId())
	var problem error
	if r.local.TakeImage != nil {
		if problem = r.local.TakeImage(ctx, image, r.up.conn); problem == nil {
			logger.Info("image taken from the upstream runtime")
			return nil
		}
		logger.WithError(problem).Info("image not taken from the upstream runtime; its registry is asked")
	}
	name, ok := nameOfImage(image, q.GetConfig().GetImage().GetUserSpecifiedImage())
	if !ok {
		return fmt.Errorf("image %s: only the upstream runtime has it, without a name to pull it by: %w", image.GetId(), errdefs.ErrNotFound)
	}
	_, err := r.local.Images.PullImage(ctx, &runtimeapi.PullImageRequest{
		Image: &runtimeapi.ImageSpec{Image: name}, SandboxConfig: q.GetSandboxConfig(),
	})
	if err != nil {
		return fmt.Errorf("image %s: only the upstream runtime has it, and it cannot be pulled again: %w", image.GetId(), err)
	}
	return nil
}

// createThere makes a container upstream. An image that only Wazelet has is pulled by
// the upstream runtime.
func (r *Router) createThere(ctx context.Context, q *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	create := func() (*runtimeapi.CreateContainerResponse, error) {
		return done(ctx, r.up, r.up.runtime.CreateContainer, q, func(a *runtimeapi.CreateContainerResponse) {
			r.up.mirror.containerMade(a.GetContainerId(), q)
		})
	}
	answer, err := create()
	if !isNotFound(err) {
		return answer, err
	}
	ref := q.GetConfig().GetImage().GetImage()
	here, statusErr := r.local.Images.ImageStatus(ctx, imageStatus(ref))
	if statusErr != nil || here.GetImage() == nil {
		return answer, err
	}
	there, statusErr := r.up.images.ImageStatus(passOn(ctx), imageStatus(ref))
	name, ok := nameOfImage(here.GetImage(), q.GetConfig().GetImage().GetUserSpecifiedImage())
	if statusErr != nil || there.GetImage() != nil || !ok {
		return answer, err
	}
	log.G(ctx).WithField("image_ref", name).Info("image is pulled by the upstream runtime, which has it not")
	_, err = forward(ctx, r.up, r.up.images.PullImage, &runtimeapi.PullImageRequest{
		Image: &runtimeapi.ImageSpec{Image: name, RuntimeHandler: q.GetConfig().GetImage().GetRuntimeHandler()}, SandboxConfig: q.GetSandboxConfig(),
	})
	if err != nil {
		return nil, err
	}
	r.up.imagesChanged()
	return create()
}

func imageStatus(ref string) *runtimeapi.ImageStatusRequest {
	return &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: ref}}
}

// nameOfImage is a name to pull an image by: its name by digest in the repository that
// the user named, in any other otherwise.
func nameOfImage(image *runtimeapi.Image, userRef string) (string, bool) {
	for _, name := range image.GetRepoDigests() {
		if repository, _, _ := strings.Cut(name, "@"); userRef != "" && strings.HasPrefix(userRef, repository) {
			return name, true
		}
	}
	for _, names := range [][]string{image.GetRepoDigests(), image.GetRepoTags()} {
		if len(names) > 0 {
			return names[0], true
		}
	}
	return "", false
}

func isNotFound(err error) bool {
	return err != nil && (errdefs.IsNotFound(err) || status.Code(err) == codes.NotFound)
}
