// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/imageservice"
)

func TestImageItem(t *testing.T) {
	image := imageservice.Image{
		ID: imageID, Tags: []string{"registry.example/hello:v1"}, Digests: []string{"registry.example/hello@" + imageID},
		Size: 4321, Pinned: true,
	}
	for user, want := range map[string]*runtimeapi.Image{
		"1000":      {Uid: &runtimeapi.Int64Value{Value: 1000}},
		"0":         {Uid: &runtimeapi.Int64Value{Value: 0}},
		"www":       {Username: "www"},
		"www:staff": {Username: "www"},
	} {
		image.User = user
		want.Id, want.RepoTags, want.RepoDigests, want.Size, want.Pinned = imageID, image.Tags, image.Digests, 4321, true
		if got := imageItem(image); !proto.Equal(got, want) {
			t.Errorf("user %q:\ngot  %v\nwant %v", user, got, want)
		}
	}
}

func TestImageSizeIsNeverZero(t *testing.T) {
	if got := imageItem(imageservice.Image{ID: imageID}).GetSize(); got == 0 {
		t.Error("size 0: the kubelet takes such an image for a broken one")
	}
}

func TestDigestedRefPrefersTheUsersRepository(t *testing.T) {
	image := imageservice.Image{ID: imageID, Digests: []string{
		"docker.io/library/hello@sha256:aa", "registry.example/hello@sha256:aa", "registry.example/hello-world@sha256:aa",
	}}
	for ref, want := range map[string]string{
		"registry.example/hello:v1":          "registry.example/hello@sha256:aa",
		"registry.example/hello-world":       "registry.example/hello-world@sha256:aa",
		"hello":                              "docker.io/library/hello@sha256:aa",
		"elsewhere.example/hello:v1":         "docker.io/library/hello@sha256:aa",
		imageID:                              "docker.io/library/hello@sha256:aa",
		"":                                   "docker.io/library/hello@sha256:aa",
		"registry.example/HELLO not a name:": "docker.io/library/hello@sha256:aa",
	} {
		if got := digestedRef(image, ref); got != want {
			t.Errorf("%q: %q, want %q", ref, got, want)
		}
	}
	if got := digestedRef(imageservice.Image{ID: imageID}, "hello"); got != imageID {
		t.Errorf("an image without digests: %q", got)
	}
}

func TestAuthIsTakenOver(t *testing.T) {
	got, err := auth(&runtimeapi.AuthConfig{
		Username: "u", Password: "p", Auth: "YTpi", ServerAddress: "s", IdentityToken: "i", RegistryToken: "r",
	})
	want := imageservice.Auth{Username: "u", Password: "p", Auth: "YTpi", ServerAddress: "s", IdentityToken: "i", RegistryToken: "r"}
	if err != nil || *got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := auth(nil); got != nil || err != nil {
		t.Errorf("no credentials: %v, %v", got, err)
	}
}

func TestAuthErrorsNeverShowTheSecret(t *testing.T) {
	secret := "hunter2\x00"
	for _, a := range []*runtimeapi.AuthConfig{
		{Username: secret}, {Password: secret}, {Auth: secret}, {IdentityToken: secret}, {RegistryToken: secret},
	} {
		_, err := auth(a)
		refused(t, err, "auth.", "NUL")
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestUnreachableRegistryHasTheNameTheKubeletKnows(t *testing.T) {
	err := toStatus(pullError(fmt.Errorf("image x/y: no route to host: %w", errdefs.ErrUnavailable)))
	s := status.Convert(err)
	// cri-client drops the code of Unknown only, and the kubelet compares the
	// beginning of what is left.
	if s.Code() != codes.Unknown || !strings.HasPrefix(s.Message(), "RegistryUnavailable: image x/y: no route to host") {
		t.Errorf("%s %q", s.Code(), s.Message())
	}
	missing := fmt.Errorf("image x/y: %w", errdefs.ErrNotFound)
	if got := pullError(missing); !errors.Is(got, missing) {
		t.Errorf("another error became %v", got)
	}
}

func TestRequireImage(t *testing.T) {
	refused(t, requireImage("image", nil), "image.image", "required")
	refused(t, requireImage("image", &runtimeapi.ImageSpec{Image: "a\x00"}), "image.image", "NUL")
	if err := requireImage("image", &runtimeapi.ImageSpec{Image: "a"}); err != nil {
		t.Error(err)
	}
}
