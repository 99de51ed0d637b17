// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// Registry returns the laboratory's registry that serves the given image
// reference: the one that wants a password for those below PrivateRegistry, else
// the open one.
func (c *Cluster) Registry(ref string) image.Registry {
	address := registryAddress
	registry := image.Registry{}
	if strings.HasPrefix(ref, PrivateRegistry+"/") {
		address = privateRegistryAddress
		registry.Username, registry.Password = RegistryUser, RegistryPassword
	}
	registry.Dial = func(ctx context.Context) (net.Conn, error) { return c.Dial(ctx, "tcp", address) }
	return registry
}

// Push stores an image or an index, such as "registry.example/hello:1", and
// returns its reference by digest.
func (c *Cluster) Push(ctx context.Context, ref string, img remote.Taggable) (string, error) {
	digest, err := c.Registry(ref).Push(ctx, ref, img)
	if err != nil {
		return "", err
	}
	repository := ref
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		repository = ref[:i]
	}
	return repository + "@" + digest.String(), nil
}

// PushModule stores the Wasm artifact of one module.
func (c *Cluster) PushModule(ctx context.Context, ref string, module []byte) (string, error) {
	img, err := image.Module(module)
	if err != nil {
		return "", err
	}
	return c.Push(ctx, ref, img)
}

// PushFiles stores an image of files.
func (c *Cluster) PushFiles(ctx context.Context, ref string, config image.Config, files ...image.File) (string, error) {
	img, err := image.Files(config, files...)
	if err != nil {
		return "", err
	}
	return c.Push(ctx, ref, img)
}
