// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Functions of the WASI application ABI: a command's one, and the one that comes
// before all others of a reactor.
const (
	startFunction      = "_start"
	initializeFunction = "_initialize"
)

// entry is what runs of a module, in this order.
type entry struct {
	initialize bool // a reactor's _initialize
	function   string
}

// entryOf finds what is to run, and refuses functions that nobody could call. A
// function named by the user may return a number, which is the exit code.
func entryOf(functions map[string]function, export string) (entry, error) {
	e := entry{function: export}
	if export == "" || export == startFunction {
		e.function = startFunction
		if f, ok := functions[startFunction]; !ok || signature(f) != "()" {
			return e, spec.Failf(spec.Invalid, "module exports _start as %s, but a command's takes and returns nothing", signatureOr(f, ok))
		}
		return e, nil
	}
	f, ok := functions[export]
	if s := signatureOr(f, ok); s != "()" && s != "() -> i32" {
		return e, spec.Failf(spec.Invalid, "module exports %.100q as %s, but what runs takes nothing and returns nothing or an i32, its exit code", export, s)
	}
	if initialize, ok := functions[initializeFunction]; ok && export != initializeFunction {
		if s := signature(initialize); s != "()" {
			return e, spec.Failf(spec.Invalid, "module exports _initialize as %s, but a reactor's takes and returns nothing", s)
		}
		e.initialize = true
	}
	return e, nil
}

func signatureOr(f function, ok bool) string {
	if !ok {
		return "no function"
	}
	return signature(f)
}

// call runs the entry in an instance.
func (e entry) call(ctx context.Context, instance api.Module) (code uint32, err error) {
	if e.initialize {
		if _, err := callFunction(ctx, instance, initializeFunction); err != nil {
			return 0, err
		}
	}
	results, err := callFunction(ctx, instance, e.function)
	if err == nil && len(results) == 1 {
		code = api.DecodeU32(results[0])
	}
	return code, err
}

func callFunction(ctx context.Context, instance api.Module, name string) ([]uint64, error) {
	f := instance.ExportedFunction(name)
	if f == nil {
		return nil, fmt.Errorf("instance: %s is no function", name)
	}
	return f.Call(ctx)
}
