// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/calls"
)

// Func is a host function that answers with an errno.
type Func struct {
	// Name is the name it is imported by.
	Name string
	// Params are the wasm types of its parameters.
	Params []api.ValueType
	// Call does the work. args are the parameters as wazero passes them; the upper half of an i32
	// means nothing: see U32, U16 and U8.
	Call func(c Call, args []uint64) wasi.Errno
	// NoResult functions return nothing; what Call answers is dropped.
	NoResult bool
	// Counter is the name the function is counted under (package calls); "" is Name.
	Counter string
}

// Imported is a function that a module imports.
type Imported interface {
	// Import is what it is imported by.
	Import() (module, name string, imported bool)
	ParamTypes() []api.ValueType
}

// Types spells parameter types: 'i' for i32, 'I' for i64.
func Types(spelled string) []api.ValueType {
	types := make([]api.ValueType, len(spelled))
	for i, c := range spelled {
		if types[i] = api.ValueTypeI32; c == 'I' {
			types[i] = api.ValueTypeI64
		}
	}
	return types
}

// Export makes the functions one host module of the runtime. A later function takes the place of an
// earlier one of the same name. Without s, they serve whoever calls: see Caller.
func Export(ctx context.Context, r wazero.Runtime, module string, s *wasi.System, funcs []Func) error {
	b := r.NewHostModuleBuilder(module)
	for i, f := range funcs {
		if slices.ContainsFunc(funcs[i+1:], func(o Func) bool { return o.Name == f.Name }) {
			continue
		}
		results := []api.ValueType{api.ValueTypeI32}
		if f.NoResult {
			results = nil
		}
		b.NewFunctionBuilder().WithGoModuleFunction(f.bind(s), f.Params, results).Export(f.Name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("host module %s: %w", module, err)
	}
	return nil
}

// bind makes f a function of wazero's, for the guest of s, or for the guest of each call's Caller.
func (f Func) bind(s *wasi.System) api.GoModuleFunc {
	counter := calls.Of(cmp.Or(f.Counter, f.Name))
	if s != nil {
		return func(ctx context.Context, m api.Module, stack []uint64) {
			counter.Add()
			f.serve(ctx, s, m, stack)
		}
	}
	return func(ctx context.Context, m api.Module, stack []uint64) {
		counter.AddShared()
		caller := callerOf(ctx)
		caller.Arrive()
		f.serve(ctx, caller.Sys, m, stack)
		caller.Depart() // not reached by a guest that ends here
	}
}

// serve does one call. A guest that has got an exit code, by proc_exit or from outside, ends here
// and does not see the call return.
func (f *Func) serve(ctx context.Context, s *wasi.System, m api.Module, stack []uint64) {
	errno := wasi.EINTR
	if _, exited := s.Exited(); !exited {
		errno = f.Call(Call{Sys: s, mem: memory(m)}, stack)
	}
	if code, exited := s.Exited(); exited {
		end(ctx, m, code)
	}
	if !f.NoResult {
		stack[0] = uint64(errno)
	}
}

// end closes the module and unwinds the guest, the way wazero asks host functions to.
func end(ctx context.Context, m api.Module, code uint32) {
	// Nobody can be told of an error in closing, and the guest ends regardless.
	_ = m.CloseWithExitCode(ctx, code)
	panic(sys.NewExitError(code))
}

// U32 is an i32 parameter.
func U32(arg uint64) uint32 { return uint32(arg) }

// U16 is an i32 parameter that holds 16 bits, flags mostly. What does not fit becomes all ones, which
// no set of flags or enumeration knows.
func U16(arg uint64) uint16 { return uint16(min(uint32(arg), 1<<16-1)) }

// U8 is an i32 parameter that holds 8 bits, like U16.
func U8(arg uint64) uint8 { return uint8(min(uint32(arg), 1<<8-1)) }
