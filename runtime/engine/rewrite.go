// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	goruntime "runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wazelet/wazelet/runtime/engine/lower"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// rewrite returns the module as it is compiled: without exceptions, whose code
// wazero 1.12.0 gets wrong everywhere, and without remainders where it gets
// those wrong. Why and how is in docs/upstream.md.
func rewrite(ctx context.Context, wasm []byte, o *outline) ([]byte, error) {
	options := lower.Options{Exceptions: o.exceptions, Remainders: goruntime.GOARCH == "arm64"}
	if options == (lower.Options{}) {
		return wasm, nil
	}
	if o.exceptions {
		if err := validate(ctx, wasm); err != nil {
			return nil, refuseCompile(err, o)
		}
	}
	lowered, err := lower.Module(wasm, options)
	switch {
	case err == nil:
		return lowered, nil
	case o.exceptions:
		return nil, spec.Failf(spec.Invalid, "module uses exception handling in a way that this runtime does not offer: %w", err)
	default:
		return nil, spec.Failf(spec.Invalid, "module is not valid: %w", err)
	}
}

// validate checks a module as its author made it; what is compiled and checked
// then is another. wazero's interpreter does it without making code.
func validate(ctx context.Context, wasm []byte) (err error) {
	config := wazero.NewRuntimeConfigInterpreter().
		WithCoreFeatures(features | experimental.CoreFeaturesExceptionHandling).
		WithDebugInfoEnabled(false)
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer func() { err = errors.Join(err, rt.Close(ctx)) }()
	_, err = rt.CompileModule(ctx, wasm)
	return err
}
