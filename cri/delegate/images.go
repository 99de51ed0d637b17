// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ImageRouter answers the RPCs on images. Each side has a store of its own; together
// they are one: an image's id, the digest of its config, is the same in both. A name,
// though, may mean two images: of an index each side has the entry that it can run.
type ImageRouter struct {
	runtimeapi.UnsafeImageServiceServer

	*Router
}

// Images is the router's image service.
func (r *Router) Images() ImageRouter { return ImageRouter{Router: r} }

// PullImage fetches an image into the store of the side that the pod it is for is on.
// The kubelet says the pod, whose sandbox is there by then; crictl can say the handler.
func (r ImageRouter) PullImage(ctx context.Context, q *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	handler := r.pullHandler(q)
	if r.own[handler] {
		return r.local.Images.PullImage(ctx, q)
	}
	if _, hybrid := r.local.Hybrid.Handlers[handler]; hybrid {
		return r.pullHybrid(ctx, q)
	}
	return r.pullThere(ctx, q)
}

func (r ImageRouter) pullThere(ctx context.Context, q *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	return done(ctx, r.up, r.up.images.PullImage, r.withoutHybrid(q), func(*runtimeapi.PullImageResponse) { r.up.imagesChanged() })
}

// withoutHybrid is a request without the name of a handler that the upstream runtime
// does not know.
func (r *Router) withoutHybrid(q *runtimeapi.PullImageRequest) *runtimeapi.PullImageRequest {
	theirs := r.theirHandler(q.GetImage().GetRuntimeHandler())
	if theirs == q.GetImage().GetRuntimeHandler() {
		return q
	}
	q = proto.CloneOf(q)
	q.Image.RuntimeHandler = theirs
	return q
}

// theirHandler is the handler that the upstream runtime knows an image's by.
func (r *Router) theirHandler(name string) string {
	if theirs, hybrid := r.local.Hybrid.Handlers[name]; hybrid {
		return theirs
	}
	if r.own[name] {
		return ""
	}
	return name
}

// pullHandler is the handler that an image is wanted for.
func (r *Router) pullHandler(q *runtimeapi.PullImageRequest) string {
	if uid := q.GetSandboxConfig().GetMetadata().GetUid(); uid != "" {
		if handler, ok := r.local.PodHandler(uid); ok {
			return handler
		}
		if sb := r.upstreamPod(uid); sb != nil {
			if handler := r.hybridHandler(sb); handler != "" {
				return handler
			}
			return noHandler
		}
	}
	return r.handlerOf(q.GetImage().GetRuntimeHandler())
}

// noHandler is none of Wazelet's.
const noHandler = ""

// upstreamPod finds the sandbox that a pod has upstream; nil when it has none.
func (r *Router) upstreamPod(uid string) *runtimeapi.PodSandbox {
	list, _ := r.up.mirror.sandboxList()
	for _, sb := range list {
		if sb.GetMetadata().GetUid() == uid {
			return sb
		}
	}
	return nil
}

// ImageStatus shows an image that either side has. The kubelet asks without saying for
// which pod, and pulls nothing that is shown; CreateContainer sees to it that the pod's
// side has it. Where the name means another image on each side, it is the one that a
// pull under the same name gives.
func (r ImageRouter) ImageStatus(ctx context.Context, q *runtimeapi.ImageStatusRequest) (*runtimeapi.ImageStatusResponse, error) {
	own := q
	if !r.isOwn(q.GetImage().GetRuntimeHandler()) && q.GetImage() != nil {
		own = proto.CloneOf(q)
		own.Image.RuntimeHandler = "" // which it would not know
	}
	ours, theirs, err := both(ctx, r.local.Images.ImageStatus, own, func() (*runtimeapi.ImageStatusResponse, error) {
		return r.upstreamImage(ctx, q)
	})
	switch {
	case err != nil:
		return nil, err
	case ours.GetImage() == nil:
		return theirs, nil
	case theirs.GetImage() == nil:
		return ours, nil
	case theirs.GetImage().GetId() == ours.GetImage().GetId():
		ours.Image = oneImage(ours.GetImage(), theirs.GetImage())
	case !r.isOwn(q.GetImage().GetRuntimeHandler()):
		return theirs, nil
	}
	return ours, nil
}

// upstreamImage is an image upstream; none when the upstream runtime is away and it is
// not known to have it: a Wasm pod pulls it then.
func (r ImageRouter) upstreamImage(ctx context.Context, q *runtimeapi.ImageStatusRequest) (*runtimeapi.ImageStatusResponse, error) {
	theirs := proto.CloneOf(q)
	if theirs.GetImage() != nil {
		theirs.Image.RuntimeHandler = r.theirHandler(q.GetImage().GetRuntimeHandler())
	}
	known := func() (*runtimeapi.ImageStatusResponse, bool) {
		all, _ := r.up.mirror.imageList()
		return &runtimeapi.ImageStatusResponse{Image: findImage(all, q.GetImage().GetImage())}, true
	}
	answer, err := list(ctx, r.up, readPatience, r.up.images.ImageStatus, theirs, known)
	if err != nil && ctx.Err() == nil {
		answer, _ = known() // for longer than lastKnown: nothing is taken for dead by it
		return answer, nil
	}
	return answer, err
}

// ListImages lists the images of both sides, each once.
func (r ImageRouter) ListImages(ctx context.Context, q *runtimeapi.ListImagesRequest) (*runtimeapi.ListImagesResponse, error) {
	call := r.up.images.ListImages
	only := q.GetFilter().GetImage().GetImage()
	if only == "" {
		call = r.up.mirror.listImages(call)
	}
	ours, theirs, err := both(ctx, r.local.Images.ListImages, q, func() (*runtimeapi.ListImagesResponse, error) {
		return list(ctx, r.up, readPatience, call, q, func() (*runtimeapi.ListImagesResponse, bool) {
			all, ok := r.up.mirror.imageList()
			if image := findImage(all, only); only != "" && image != nil {
				return &runtimeapi.ListImagesResponse{Images: []*runtimeapi.Image{image}}, ok
			}
			return &runtimeapi.ListImagesResponse{Images: matching(all, func(*runtimeapi.Image) bool { return only == "" })}, ok
		})
	})
	if err != nil {
		return nil, err
	}
	ours.Images = mergeImages(ours.GetImages(), theirs.GetImages())
	return ours, nil
}

// RemoveImage removes an image from both sides: the kubelet frees the room of one
// image. One that is not upstream needs no upstream runtime to be removed.
func (r ImageRouter) RemoveImage(ctx context.Context, q *runtimeapi.RemoveImageRequest) (*runtimeapi.RemoveImageResponse, error) {
	ref := q.GetImage().GetImage()
	if cause := r.up.refusal(); cause != nil {
		if all, ok := r.up.mirror.imageList(); ok && findImage(all, ref) == nil {
			return r.local.Images.RemoveImage(ctx, q)
		}
		return nil, cause
	}
	images, err := r.imagesOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	answer := &runtimeapi.RemoveImageResponse{}
	for _, id := range images {
		named := proto.CloneOf(q)
		named.Image.Image = id
		if _, err := done(ctx, r.up, r.up.images.RemoveImage, named, func(*runtimeapi.RemoveImageResponse) {
			r.up.mirror.imageRemoved(id)
		}); err != nil {
			return nil, err
		}
		if answer, err = r.local.Images.RemoveImage(ctx, named); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// imagesOf are the ids of the images that a reference means, as each of them may have
// other names on one side than on the other; of none, it is the reference itself.
func (r ImageRouter) imagesOf(ctx context.Context, ref string) ([]string, error) {
	ours, theirs, err := both(ctx, r.local.Images.ImageStatus, imageStatus(ref), func() (*runtimeapi.ImageStatusResponse, error) {
		return r.upstreamImage(ctx, imageStatus(ref))
	})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, image := range []*runtimeapi.Image{ours.GetImage(), theirs.GetImage()} {
		if id := image.GetId(); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return []string{ref}, nil
	}
	return ids, nil
}

// ImageFsInfo measures the file systems of both stores. The kubelet reads the first
// one: of two stores on one file system it is told the sum, otherwise the upstream
// runtime's, whose images are the larger ones.
func (r ImageRouter) ImageFsInfo(ctx context.Context, q *runtimeapi.ImageFsInfoRequest) (*runtimeapi.ImageFsInfoResponse, error) {
	ours, theirs, err := both(ctx, r.local.Images.ImageFsInfo, q, func() (*runtimeapi.ImageFsInfoResponse, error) {
		return measurements(ctx, r.up, "ImageFsInfo", r.up.images.ImageFsInfo, q, true,
			func(all *runtimeapi.ImageFsInfoResponse) *runtimeapi.ImageFsInfoResponse { return all })
	})
	if err != nil {
		return nil, err
	}
	return &runtimeapi.ImageFsInfoResponse{
		ImageFilesystems:     mergeFilesystems(theirs.GetImageFilesystems(), ours.GetImageFilesystems()),
		ContainerFilesystems: mergeFilesystems(theirs.GetContainerFilesystems(), ours.GetContainerFilesystems()),
	}, nil
}

// mergeImages lists each image once, ours first.
func mergeImages(ours, theirs []*runtimeapi.Image) []*runtimeapi.Image {
	at := make(map[string]int, len(ours))
	for i, image := range ours {
		at[image.GetId()] = i
	}
	for _, image := range theirs {
		if i, here := at[image.GetId()]; here {
			ours[i] = oneImage(ours[i], image)
			continue
		}
		ours = append(ours, image)
	}
	return ours
}

// oneImage is an image that both sides have: under the names of both, with the room it
// takes on both, and kept when either keeps it.
func oneImage(ours, theirs *runtimeapi.Image) *runtimeapi.Image {
	one := proto.CloneOf(theirs)
	one.RepoTags = union(ours.GetRepoTags(), theirs.GetRepoTags())
	one.RepoDigests = union(ours.GetRepoDigests(), theirs.GetRepoDigests())
	one.Size = ours.GetSize() + theirs.GetSize()
	one.Pinned = ours.GetPinned() || theirs.GetPinned()
	return one
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// findImage finds an image by its id, the beginning of it, a tag or a digest; nil when
// it is not there.
func findImage(all []*runtimeapi.Image, ref string) *runtimeapi.Image {
	name := ref
	if named, err := reference.ParseDockerRef(ref); err == nil {
		name = named.String()
	}
	id := "sha256:" + strings.TrimPrefix(ref, "sha256:")
	for _, image := range all {
		if image.GetId() == ref || image.GetId() == id || slices.Contains(image.GetRepoTags(), name) || slices.Contains(image.GetRepoDigests(), name) {
			return image
		}
	}
	if len(id) < len("sha256:")+4 {
		return nil
	}
	for _, image := range all {
		if strings.HasPrefix(image.GetId(), id) {
			return image
		}
	}
	return nil
}
