// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// examine tells whether wasm is a module this engine can take, before it
// costs a compile. The error is a *spec.Failure of class Invalid with a
// reason its author can act on.
func examine(wasm []byte) (*outline, error) {
	switch Sniff(wasm) {
	case KindComponent:
		return nil, spec.Failf(spec.Invalid, "module is a WebAssembly component: only core modules run here so far; build it for WASI preview 1 (wasip1)")
	case KindOther:
		return nil, spec.Failf(spec.Invalid, "not a WebAssembly module: %s", describe(wasm))
	}
	o, err := scan(wasm)
	if _, ok := errors.AsType[*excess](err); ok || errors.Is(err, bytecode.ErrSections) {
		return nil, spec.Failf(spec.Invalid, "module is larger than this runtime takes: %w", err)
	}
	if err != nil {
		return nil, spec.Failf(spec.Invalid, "module is malformed: %w", err)
	}
	return o, o.refuseExtensions()
}

// advice is what the author of a module can do about an extension.
var advice = map[bytecode.Extension]string{
	bytecode.Threads:          "build it single-threaded, without shared memory and atomic operations",
	bytecode.LegacyExceptions: "build it with the final form of exceptions (LLVM: -mllvm -wasm-use-legacy-eh=false)",
	bytecode.RelaxedSIMD:      "build it without (LLVM: -mno-relaxed-simd)",
	bytecode.WideArithmetic:   "build it without (LLVM: -mno-wide-arithmetic)",
	bytecode.Memory64:         "build it for wasm32",
}

// refuseExtensions says which extensions the module uses and where; nil when
// it uses none.
func (o *outline) refuseExtensions() error {
	if len(o.extensions) == 0 {
		return nil
	}
	items, hint := make([]string, len(o.extensions)), ""
	for i, u := range o.extensions {
		items[i] = string(u.extension)
		if u.function != nowhere {
			items[i] += " in " + o.function(u.function)
		}
		if text := advice[u.extension]; text != "" && hint == "" {
			hint = ": " + text
		}
	}
	return spec.Failf(spec.Invalid, "module uses %s, which this runtime does not offer%s", strings.Join(items, " and "), hint)
}

// hints are extensions of which a new kind may show where wazero stumbles over
// it, by their names in target_features.
var hints = []string{"relaxed-simd", "wide-arithmetic", "exception-handling", "atomics", "gc", "memory64", "multimemory"}

// refuseCompile turns wazero's error into a refusal that names the extension,
// where it can be told.
func refuseCompile(err error, o *outline) error {
	reason := truncate(firstLine(err.Error()), maxTrap)
	for _, name := range hints {
		if slices.Contains(o.declared, name) {
			return spec.Failf(spec.Invalid, "module is not valid here: %s; it declares the extension %s", reason, name)
		}
	}
	return spec.Failf(spec.Invalid, "module is not valid: %s", reason)
}
