// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/engine"
)

// compileAtPull compiles the module that an image means, so that no start has
// to. An image that means none is not at fault: its pods may name a module by
// their command, or it runs elsewhere. What is wrong with a module is said when
// a container is made of it.
func compileAtPull(modules *runtime.Modules) func(context.Context, *imageservice.Service, imageservice.Image) error {
	return func(ctx context.Context, images *imageservice.Service, image imageservice.Image) error {
		program, err := openProgram(ctx, images, image)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer program.Close()
		if wasm, err := isWasm(program); err != nil || !wasm {
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

// openProgram opens what an image runs when nobody says otherwise.
func openProgram(ctx context.Context, images *imageservice.Service, image imageservice.Image) (*os.File, error) {
	if image.Kind == imageservice.KindModule {
		return images.OpenModule(ctx, image)
	}
	program, _, err := images.OpenEntry(ctx, image)
	return program, err
}

// isWasm looks at a file's first bytes.
func isWasm(file *os.File) (bool, error) {
	header := make([]byte, engine.SniffLen)
	n, err := file.ReadAt(header, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return engine.Sniff(header[:n]) != engine.KindOther, nil
}
