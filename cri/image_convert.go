// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	crierrors "k8s.io/cri-api/pkg/errors"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
)

// requireImage checks that an image is named.
func requireImage(field string, image *runtimeapi.ImageSpec) error {
	if image.GetImage() == "" {
		return invalid(field+".image", "required")
	}
	return validateText(field+".image", image.GetImage(), maxImageRef)
}

// imageItem is an image as the image RPCs show it.
func imageItem(i imageservice.Image) *runtimeapi.Image {
	item := &runtimeapi.Image{
		Id:          i.ID,
		RepoTags:    i.Tags,
		RepoDigests: i.Digests,
		Size:        uint64(max(i.Size, 1)), // a client refuses an image of size 0
		Pinned:      i.Pinned,
	}
	uid, username := i.RunsAs()
	if uid != nil {
		item.Uid = &runtimeapi.Int64Value{Value: *uid}
	} else {
		item.Username = clean(username, maxName)
	}
	return item
}

// digestedRef is the image's name by digest in the repository the user named,
// in any of its repositories otherwise, and its id when it has no such name.
func digestedRef(i imageservice.Image, userRef string) string {
	switch len(i.Digests) {
	case 0:
		return i.ID
	case 1:
		return i.Digests[0]
	}
	named, err := reference.ParseDockerRef(userRef)
	if err != nil {
		return i.Digests[0]
	}
	for _, d := range i.Digests {
		if strings.HasPrefix(d, named.Name()+"@") {
			return d
		}
	}
	return i.Digests[0]
}

// auth converts credentials; nil is none.
func auth(a *runtimeapi.AuthConfig) (*imageservice.Auth, error) {
	if a == nil {
		return nil, nil
	}
	for _, f := range []struct{ name, value string }{
		{"username", a.GetUsername()}, {"password", a.GetPassword()}, {"auth", a.GetAuth()},
		{"server_address", a.GetServerAddress()}, {"identity_token", a.GetIdentityToken()}, {"registry_token", a.GetRegistryToken()},
	} {
		if err := validateText("auth."+f.name, f.value, maxConfig); err != nil {
			return nil, err
		}
	}
	return &imageservice.Auth{
		Username: a.GetUsername(), Password: a.GetPassword(), Auth: a.GetAuth(),
		ServerAddress: a.GetServerAddress(), IdentityToken: a.GetIdentityToken(), RegistryToken: a.GetRegistryToken(),
	}, nil
}

// pullError gives a registry that cannot be reached the name that the kubelet
// turns into the pod's waiting reason. The kubelet looks for it at the start of
// the text of an error that has no code of its own.
func pullError(err error) error {
	if errors.Is(err, imageservice.ErrRefused) {
		return fmt.Errorf("%s: %s", crierrors.ErrSignatureValidationFailed, err) //nolint:errorlint // the class is dropped on purpose
	}
	if errdefs.IsUnavailable(err) {
		return fmt.Errorf("%s: %s", crierrors.ErrRegistryUnavailable, err) //nolint:errorlint // the class is dropped on purpose
	}
	return err
}

// artifactInfo is what a verbose ImageStatus adds.
type artifactInfo struct {
	Format     imageservice.Format  `json:"format"`
	Kind       imageservice.Kind    `json:"kind"`
	Platform   string               `json:"platform"`
	Manifest   string               `json:"manifest"`
	Entrypoint []string             `json:"entrypoint,omitempty"`
	Cmd        []string             `json:"cmd,omitempty"`
	Env        []string             `json:"env,omitempty"`
	WorkingDir string               `json:"working_dir,omitempty"`
	User       string               `json:"user,omitempty"`
	StopSignal string               `json:"stop_signal,omitempty"`
	Labels     map[string]string    `json:"labels,omitempty"`
	Volumes    []string             `json:"volumes,omitempty"`
	Module     *imageservice.Module `json:"module,omitempty"`
	Program    *runtime.Program     `json:"program,omitempty"`
}

func imageInfo(i imageservice.Image) artifactInfo {
	return artifactInfo{
		Format: i.Format, Kind: i.Kind, Platform: i.Platform, Manifest: i.Manifest.String(),
		Entrypoint: i.Entrypoint, Cmd: i.Cmd, Env: i.Env, WorkingDir: i.WorkingDir,
		User: i.User, StopSignal: i.StopSignal, Labels: i.Labels, Volumes: i.Volumes, Module: i.Module,
	}
}
