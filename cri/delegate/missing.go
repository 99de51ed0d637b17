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
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// An image that one side has is shown as the node's, so that the kubelet does not pull
// it for a pod of the other side. What is missing there is got when the container is
// made, under the name by digest: it is the very image that the kubelet was shown. Its
// id may be another there: of an index each side has the entry that it can run.

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
	id, err := r.take(ctx, there.GetImage(), q)
	if err != nil {
		return nil, err
	}
	return r.local.Runtime.CreateContainer(ctx, ofImage(q, id))
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

// take gets an image of the upstream runtime's, and returns what it is called here.
func (r *Router) take(ctx context.Context, image *runtimeapi.Image, q *runtimeapi.CreateContainerRequest) (id string, err error) {
	logger := log.G(ctx).WithField("image_id", image.GetId())
	if id := r.here(ctx, image); id != "" {
		return id, nil
	}
	if r.local.TakeImage != nil {
		problem := r.local.TakeImage(ctx, image, r.up.conn)
		if problem == nil {
			logger.Info("image taken from the upstream runtime")
			return r.here(ctx, image), nil
		}
		logger.WithError(problem).Info("image not taken from the upstream runtime; its registry is asked")
	}
	name, named := nameOfImage(image, q.GetConfig().GetImage().GetUserSpecifiedImage())
	if !named {
		return "", fmt.Errorf("image %s: only the upstream runtime has it, without a name to pull it by: %w", image.GetId(), errdefs.ErrNotFound)
	}
	pulled, err := r.local.Images.PullImage(ctx, &runtimeapi.PullImageRequest{
		Image: &runtimeapi.ImageSpec{Image: name}, SandboxConfig: q.GetSandboxConfig(),
	})
	if err != nil {
		return "", fmt.Errorf("image %s: only the upstream runtime has it, and it cannot be pulled again: %w", image.GetId(), err)
	}
	return pulled.GetImageRef(), nil
}

// here is the id of what Wazelet has under a digest of an image of the upstream
// runtime's; "" when it has nothing.
func (r *Router) here(ctx context.Context, image *runtimeapi.Image) (id string) {
	for _, name := range image.GetRepoDigests() {
		status, err := r.local.Images.ImageStatus(ctx, imageStatus(name))
		if err == nil && status.GetImage() != nil {
			return status.GetImage().GetId()
		}
	}
	return ""
}

// ofImage is a request for a container of an image that has another id than the one
// that was asked for; "" is none.
func ofImage(q *runtimeapi.CreateContainerRequest, id string) *runtimeapi.CreateContainerRequest {
	if id == "" || id == q.GetConfig().GetImage().GetImage() {
		return q
	}
	q = proto.CloneOf(q)
	q.Config.Image.Image = id
	return q
}

// createThere makes a container upstream. An image that only Wazelet has is pulled by
// the upstream runtime.
func (r *Router) createThere(ctx context.Context, q *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	create := func(q *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
		return done(ctx, r.up, r.up.runtime.CreateContainer, q, func(a *runtimeapi.CreateContainerResponse) {
			r.up.mirror.containerMade(a.GetContainerId(), q)
		})
	}
	answer, err := create(q)
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
	id, err := r.give(ctx, name, q)
	if err != nil {
		return nil, err
	}
	return create(ofImage(q, id))
}

// give has the upstream runtime get an image, and returns what it is called there.
func (r *Router) give(ctx context.Context, name string, q *runtimeapi.CreateContainerRequest) (id string, err error) {
	there, err := r.up.images.ImageStatus(passOn(ctx), imageStatus(name))
	if err == nil && there.GetImage() != nil {
		return there.GetImage().GetId(), nil
	}
	log.G(ctx).WithField("image_ref", name).Info("image is pulled by the upstream runtime, which has it not")
	pulled, err := forward(ctx, r.up, r.up.images.PullImage, &runtimeapi.PullImageRequest{
		Image: &runtimeapi.ImageSpec{Image: name, RuntimeHandler: q.GetConfig().GetImage().GetRuntimeHandler()}, SandboxConfig: q.GetSandboxConfig(),
	})
	if err != nil {
		return "", err
	}
	r.up.imagesChanged()
	return pulled.GetImageRef(), nil
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
