// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
)

// imageService answers the RPCs on images. The node has one store of images,
// whatever the handler: a request that names a handler must name a known one.
type imageService struct {
	runtimeapi.UnsafeImageServiceServer

	handlers handlers
	images   *imageservice.Service
	runtime  *runtime.Controller
}

// PullImage fetches an image and answers its id, under which every other RPC
// knows it.
func (s *imageService) PullImage(ctx context.Context, r *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	ref, err := s.reference(r.GetImage())
	if err != nil {
		return nil, err
	}
	credentials, err := auth(r.GetAuth())
	if err != nil {
		return nil, err
	}
	image, err := s.images.Pull(ctx, ref, credentials)
	if err != nil {
		return nil, pullError(err)
	}
	return &runtimeapi.PullImageResponse{ImageRef: image.ID}, nil
}

// ImageStatus shows one image; an absent one is an empty answer, not an error.
func (s *imageService) ImageStatus(ctx context.Context, r *runtimeapi.ImageStatusRequest) (*runtimeapi.ImageStatusResponse, error) {
	ref, err := s.reference(r.GetImage())
	if err != nil {
		return nil, err
	}
	image, err := s.images.Get(ctx, ref)
	if errdefs.IsNotFound(err) {
		return &runtimeapi.ImageStatusResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	resp := &runtimeapi.ImageStatusResponse{Image: imageItem(image)}
	if r.GetVerbose() {
		info := imageInfo(image)
		if info.Program, err = s.runtime.Describe(ctx, image); err != nil {
			log.G(ctx).WithError(err).Warn("image's program cannot be described")
		}
		resp.Info, err = verboseInfo(info)
	}
	return resp, err
}

// ListImages lists every image, or the one the filter names.
func (s *imageService) ListImages(ctx context.Context, r *runtimeapi.ListImagesRequest) (*runtimeapi.ListImagesResponse, error) {
	images, err := s.list(ctx, r.GetFilter().GetImage().GetImage())
	if err != nil {
		return nil, err
	}
	resp := &runtimeapi.ListImagesResponse{}
	for _, image := range images {
		resp.Images = append(resp.Images, imageItem(image))
	}
	return resp, nil
}

func (s *imageService) list(ctx context.Context, only string) ([]imageservice.Image, error) {
	if only == "" {
		return s.images.List(ctx)
	}
	image, err := s.images.Get(ctx, only)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	return []imageservice.Image{image}, err
}

// RemoveImage removes an image under all its names; an absent one is removed.
func (s *imageService) RemoveImage(ctx context.Context, r *runtimeapi.RemoveImageRequest) (*runtimeapi.RemoveImageResponse, error) {
	if err := requireImage("image", r.GetImage()); err != nil {
		return nil, err
	}
	if err := absentIsDone(ctx, s.images.Remove(ctx, r.GetImage().GetImage())); err != nil {
		return nil, err
	}
	return &runtimeapi.RemoveImageResponse{}, nil
}

// ImageFsInfo measures the file system that images and writable layers share,
// which is why the list of container file systems stays empty.
func (s *imageService) ImageFsInfo(ctx context.Context, _ *runtimeapi.ImageFsInfoRequest) (*runtimeapi.ImageFsInfoResponse, error) {
	fs, err := s.images.Filesystem(ctx)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: []*runtimeapi.FilesystemUsage{{
		Timestamp:  time.Now().UnixNano(),
		FsId:       &runtimeapi.FilesystemIdentifier{Mountpoint: fs.Mountpoint},
		UsedBytes:  &runtimeapi.UInt64Value{Value: fs.UsedBytes},
		InodesUsed: &runtimeapi.UInt64Value{Value: fs.Inodes},
	}}}, nil
}

// reference checks an image's name and the handler it is wanted for.
func (s *imageService) reference(image *runtimeapi.ImageSpec) (string, error) {
	if err := requireImage("image", image); err != nil {
		return "", err
	}
	if handler := image.GetRuntimeHandler(); handler != "" {
		if _, err := s.handlers.resolve(handler); err != nil {
			return "", err
		}
	}
	return image.GetImage(), nil
}
