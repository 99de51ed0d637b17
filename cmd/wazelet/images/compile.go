// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
)

// Compile compiles the module that an image means, so that no start has
// to. An image that means none is not at fault: its pods may name a module by
// their command, or it runs elsewhere. What is wrong with a module is said when
// a container is made of it.
func Compile(modules *runtime.Modules) func(context.Context, *imageservice.Service, imageservice.Image) error {
	return func(ctx context.Context, service *imageservice.Service, image imageservice.Image) error {
		program, _, err := runtime.OpenProgram(ctx, service, image)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer program.Close()
		if wasm, err := runtime.IsWasm(program); err != nil || !wasm {
			return err
		}
		compiled, err := modules.Ensure(ctx, program)
		if errdefs.IsInvalidArgument(err) {
			log.G(ctx).WithError(err).WithField("image_id", image.ID).Info("image has a module that cannot run")
			return nil
		}
		if err != nil {
			return fmt.Errorf("compile: %w", err)
		}
		return compiled.Dir.Close()
	}
}
