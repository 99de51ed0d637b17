// SPDX-License-Identifier: Apache-2.0

// Package imageclient asks a daemon about its images, as `wazelet image` does: over
// the socket that the kubelet uses, because the store is the daemon's alone.
package imageclient

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
)

// Image is an image as the daemon shows it. Only ID, Tags, Digests, Size and
// Pinned are known of a listed one.
type Image struct {
	ID      string   `json:"id"`
	Tags    []string `json:"tags"`
	Digests []string `json:"digests"`
	Size    uint64   `json:"size"` // bytes as transferred
	Pinned  bool     `json:"pinned"`
	Info
}

// Info is what a daemon tells of one image when it is asked for more; the JSON
// is that of a verbose ImageStatus.
type Info struct {
	Format     string               `json:"format,omitempty"`
	Kind       string               `json:"kind,omitempty"`
	Platform   string               `json:"platform,omitempty"`
	Manifest   string               `json:"manifest,omitempty"`
	Entrypoint []string             `json:"entrypoint,omitempty"`
	Cmd        []string             `json:"cmd,omitempty"`
	Env        []string             `json:"env,omitempty"`
	WorkingDir string               `json:"working_dir,omitempty"`
	User       string               `json:"user,omitempty"`
	Labels     map[string]string    `json:"labels,omitempty"`
	Module     *imageservice.Module `json:"module,omitempty"`
	Program    *runtime.Program     `json:"program,omitempty"`
}

// Client is a connection to a daemon. It must be closed.
type Client struct {
	connection *grpc.ClientConn
	images     runtimeapi.ImageServiceClient
}

// New makes a client of the daemon at a unix socket. It connects with the first
// call.
func New(socket string) (*Client, error) {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(cri.MaxMessage)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", socket, err)
	}
	return &Client{connection: connection, images: runtimeapi.NewImageServiceClient(connection)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.connection.Close() }

// List returns the daemon's images.
func (c *Client) List(ctx context.Context) ([]Image, error) {
	answer, err := c.images.ListImages(ctx, &runtimeapi.ListImagesRequest{})
	if err != nil {
		return nil, native(err)
	}
	list := make([]Image, len(answer.GetImages()))
	for i, image := range answer.GetImages() {
		list[i] = item(image)
	}
	return list, nil
}

// Get returns all there is to say about an image; ErrNotFound when it is absent.
func (c *Client) Get(ctx context.Context, ref string) (Image, error) {
	answer, err := c.images.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: ref}, Verbose: true})
	if err != nil {
		return Image{}, native(err)
	}
	if answer.GetImage() == nil {
		return Image{}, fmt.Errorf("image %s: not found on this node: %w", ref, errdefs.ErrNotFound)
	}
	image := item(answer.GetImage())
	if raw := answer.GetInfo()["info"]; raw != "" {
		if err := json.Unmarshal([]byte(raw), &image.Info); err != nil {
			return image, fmt.Errorf("image %s: the daemon's answer: %w", ref, err)
		}
	}
	return image, nil
}

// Pull has the daemon fetch an image and returns its id.
func (c *Client) Pull(ctx context.Context, ref string, auth *imageservice.Auth) (string, error) {
	request := &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: ref}}
	if auth != nil {
		request.Auth = &runtimeapi.AuthConfig{
			Username: auth.Username, Password: auth.Password, Auth: auth.Auth,
			ServerAddress: auth.ServerAddress, IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
		}
	}
	answer, err := c.images.PullImage(ctx, request)
	return answer.GetImageRef(), native(err)
}

// Remove removes an image under all its names; an absent one is fine.
func (c *Client) Remove(ctx context.Context, ref string) error {
	_, err := c.images.RemoveImage(ctx, &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: ref}})
	return native(err)
}

// Check has the daemon compare its store with the digests, and repair it.
func (c *Client) Check(ctx context.Context, repair bool) (imageservice.Report, error) {
	var report imageservice.Report
	answer := &wrapperspb.StringValue{}
	if err := c.connection.Invoke(ctx, cri.CheckStore, wrapperspb.Bool(repair), answer); err != nil {
		return report, native(err)
	}
	if err := json.Unmarshal([]byte(answer.GetValue()), &report); err != nil {
		return report, fmt.Errorf("the daemon's answer: %w", err)
	}
	return report, nil
}

func item(i *runtimeapi.Image) Image {
	return Image{ID: i.GetId(), Tags: i.GetRepoTags(), Digests: i.GetRepoDigests(), Size: i.GetSize(), Pinned: i.GetPinned()}
}

// native gives an answer's error its class and only its own words.
func native(err error) error {
	if err == nil {
		return nil
	}
	class := errdefs.Resolve(errgrpc.ToNative(err))
	return &failure{text: status.Convert(err).Message(), class: class}
}

// failure is an error whose text names its class already, if it needs to.
type failure struct {
	text  string
	class error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.class }
