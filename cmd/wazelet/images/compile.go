// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
)

// Compile compiles the module that an image means, so that no start has to, and
// returns its digest. An image that means none is not at fault: its pods may name
// a module by their command, or it runs elsewhere. What is wrong with a module is
// said when a container is made of it.
func Compile(modules *runtime.Modules) func(context.Context, *imageservice.Service, imageservice.Image) (digest.Digest, error) {
	return func(ctx context.Context, service *imageservice.Service, image imageservice.Image) (digest.Digest, error) {
		program, _, err := runtime.OpenProgram(ctx, service, image)
		if errdefs.IsNotFound(err) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		defer program.Close()
		if wasm, err := runtime.IsWasm(program); err != nil || !wasm {
			return "", err
		}
		compiled, err := modules.EnsureWhileWanted(ctx, program)
		if errdefs.IsInvalidArgument(err) {
			log.G(ctx).WithError(err).WithField("image_id", image.ID).Info("image has a module that cannot run")
			refused, err := runtime.ModuleDigest(program) // a refusal is kept like a module
			return digest.Digest(refused), err
		}
		if err != nil {
			return "", fmt.Errorf("compile: %w", err)
		}
		return digest.Digest(compiled.Digest), compiled.Dir.Close()
	}
}

// Prepare is Compile, and then makes room in the module cache.
func Prepare(modules *runtime.Modules) func(context.Context, *imageservice.Service, imageservice.Image) (digest.Digest, error) {
	compile := Compile(modules)
	return func(ctx context.Context, service *imageservice.Service, image imageservice.Image) (digest.Digest, error) {
		program, err := compile(ctx, service, image)
		return program, errors.Join(err, modules.Collect(ctx))
	}
}

// Forget removes the compiled forms that an image leaves behind.
func Forget(modules *runtime.Modules) func(context.Context, *imageservice.Service, imageservice.Image) {
	return func(ctx context.Context, service *imageservice.Service, gone imageservice.Image) {
		list, err := service.List(ctx)
		images, programs := map[string]bool{}, map[string]bool{}
		for _, image := range list {
			images[image.ID], programs[image.Program.String()] = true, true
		}
		has, runs := func(image string) bool { return images[image] }, func(module string) bool { return programs[module] }
		if err == nil {
			err = modules.Release(gone.Program.String(), has, runs)
		}
		if err != nil {
			log.G(ctx).WithError(err).WithField("image_id", gone.ID).Warn("compiled modules stay")
		}
	}
}

// Refresh puts the module cache in order, and compiles the programs of images
// that it lacks, one by one, as after another engine or processor. It ends with
// the context.
func Refresh(ctx context.Context, modules *runtime.Modules, service *imageservice.Service) {
	if err := modules.Collect(ctx); err != nil {
		log.G(ctx).WithError(err).Warn("module cache")
	}
	compileMissing(ctx, modules, service)
}

// compileMissing compiles the programs of images that the module cache lacks.
func compileMissing(ctx context.Context, modules *runtime.Modules, service *imageservice.Service) {
	list, err := service.List(ctx)
	if err != nil {
		log.G(ctx).WithError(err).Warn("module cache")
		return
	}
	compile := Compile(modules)
	for _, image := range list {
		if ctx.Err() != nil {
			return
		}
		if image.Program == "" || modules.Has(image.Program.String()) {
			continue
		}
		if _, err := compile(ctx, service, image); err != nil && ctx.Err() == nil {
			log.G(ctx).WithError(err).WithField("image_id", image.ID).Warn("image's module not compiled anew")
		}
	}
}
