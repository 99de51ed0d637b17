// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// bare is a module of these sections alone.
func bare(sections ...[]byte) []byte {
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(sections...))
}

// TestRefusedExtensions has one module per extension that the engine does not
// take and way to see it. Each is refused by the extension's name, and where
// code uses it, by the function's.
func TestRefusedExtensions(t *testing.T) {
	memory := func(limits ...byte) []byte { return module(func(m *enginetest.Module) { m.Memory = limits }) }
	types := func(defined ...byte) []byte { return bare(enginetest.Section(1, append([]byte{1}, defined...))) }
	imports := func(entry string) []byte { return bare(enginetest.Section(2, append([]byte{1}, entry...))) }
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"shared memory":           {memory(0x03, 1, 2), "module uses threads, which this runtime does not offer: build it single-threaded"},
		"imported memory":         {imports("\x03env\x06memory\x02\x03\x01\x02"), "module uses threads, which"},
		"atomic.fence":            {body(0xfe, 0x03, 0x00), "module uses threads in function 3 (_start), which this runtime does not offer: build it single-threaded"},
		"memory.atomic.notify":    {body(0x41, 0, 0x41, 0, 0xfe, 0x00, 2, 0, 0x1a), "module uses threads in function 3 (_start), which"},
		"thread-spawn":            {bare(enginetest.Section(1, []byte{1, 0x60, 0, 0}), enginetest.Section(2, []byte("\x01\x04wasi\x0cthread-spawn\x00\x00"))), "module uses threads, which"},
		"64-bit memory":           {memory(0x04, 1), "module uses 64-bit memory, which this runtime does not offer: build it for wasm32"},
		"page size":               {memory(0x08, 1, 0), "module uses custom page sizes, which this runtime does not offer"},
		"two memories":            {bare(enginetest.Section(5, []byte{2, 0, 1, 0, 1})), "module uses multiple memories, which this runtime does not offer"},
		"own and imported":        {bare(enginetest.Section(2, []byte("\x01\x03env\x06memory\x02\x00\x01")), enginetest.Section(5, []byte{1, 0, 1})), "module uses multiple memories, which"},
		"struct type":             {types(0x5f, 0), "module uses garbage collection, which this runtime does not offer"},
		"array type":              {types(0x5e, 0x7f, 0), "module uses garbage collection, which"},
		"sub type":                {types(0x50, 0, 0x60, 0, 0), "module uses garbage collection, which"},
		"group with a struct":     {types(0x4e, 1, 0x5f, 0), "module uses garbage collection, which"},
		"parameter anyref":        {types(0x60, 1, 0x6e, 0), "module uses garbage collection, which"},
		"parameter (ref null eq)": {types(0x60, 1, 0x63, 0x6d, 0), "module uses garbage collection, which"},
		"struct.new":              {body(0xfb, 0x00, 0x00), "module uses garbage collection in function 3 (_start), which"},
		"ref.eq":                  {body(0xd3), "module uses garbage collection in function 3 (_start), which"},
		"local i31ref":            {enginetest.Module{Funcs: []enginetest.Func{{Name: "_start"}}, Extra: enginetest.Section(10, []byte{1, 4, 1, 1, 0x6c, 0x0b})}.Bytes(), "module uses garbage collection in function 0 (_start), which"},
		"cont type":               {types(0x5d, 0), "module uses stack switching, which this runtime does not offer"},
		"suspend":                 {body(0xe2, 0), "module uses stack switching in function 3 (_start), which"},
		"legacy try":              {body(0x06, 0x40, 0x19, 0x0b), "module uses legacy exception handling in function 3 (_start), which this runtime does not offer: build it with the final form of exceptions (LLVM: -mllvm -wasm-use-legacy-eh=false)"},
		"legacy delegate":         {body(0x06, 0x40, 0x18, 0), "module uses legacy exception handling in function 3 (_start), which"},
		"relaxed SIMD":            {body(0xfd, 0x80, 0x02), "module uses relaxed SIMD in function 3 (_start), which this runtime does not offer: build it without (LLVM: -mno-relaxed-simd)"},
		"wide arithmetic":         {body(0xfc, 19), "module uses wide arithmetic in function 3 (_start), which this runtime does not offer: build it without (LLVM: -mno-wide-arithmetic)"},
		"several":                 {body(0xfc, 22, 0xfd, 0x93, 0x02), "module uses wide arithmetic in function 3 (_start) and relaxed SIMD in function 3 (_start), which"},
		"component":               {[]byte("\x00asm\x0d\x00\x01\x00rest"), "module is a WebAssembly component"},
		"a name to break lines":   {enginetest.Module{Funcs: []enginetest.Func{{Name: "_start"}, {Name: "a\nb", Body: []byte{0xfc, 19}}}}.Bytes(), "in function 1 (a\uFFFDb), which"},
		"no name":                 {enginetest.Module{Funcs: []enginetest.Func{{Name: "_start", Body: []byte{0xfc, 19}}}, NoNames: true}.Bytes(), "in function 0, which"},
		"unknown instruction":     {body(0xc7), "module is malformed: section 10: function 3 (_start): unknown instruction 0xc7"},
		"declared in the names": {module(func(m *enginetest.Module) {
			m.Funcs[3].Body = []byte{0x1a}
			m.Extra = enginetest.Custom("target_features", enginetest.Vector([]byte("+\x0crelaxed-simd")))
		}), "it declares the extension relaxed-simd"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(t.Context(), c.wasm, t.TempDir())
			failure, ok := errors.AsType[*spec.Failure](err)
			if !ok || failure.Class != spec.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("not one line: %q", err)
			}
		})
	}
}

// catching is a command that calls its function 4, which throws 23, and exits
// with what it catches.
func catching() enginetest.Module {
	m := enginetest.Command(
		[]byte{0x02, enginetest.I32}, // block
		[]byte{0x1f, 0x40, 1, 0x00, 0, 0}, enginetest.CallTo(4), []byte{enginetest.End},
		enginetest.Const(1), []byte{enginetest.End},
		enginetest.CallTo(0),
	)
	m.Funcs = append(m.Funcs, enginetest.Func{Name: "throws", Body: append(enginetest.Const(23), 0x08, 0)})
	m.Tags = []int{0} // proc_exit's parameter
	return m
}

// TestExceptions runs modules that throw from a compiled directory.
func TestExceptions(t *testing.T) {
	if code, err := runModule(t, catching().Bytes()); code != 23 || err != nil {
		t.Errorf("exit %d, %v", code, err)
	}
	uncaught := catching()
	uncaught.Funcs[3].Body = enginetest.CallTo(4)
	started := catching()
	started.Funcs[3].Body = nil
	for name, wasm := range map[string][]byte{
		"from _start":             uncaught.Bytes(),
		"from the start function": withStart(started.Bytes(), 4),
	} {
		_, err := runModule(t, wasm)
		if trap, ok := errors.AsType[*Trap](err); !ok || trap.Text() != "wasm trap: uncaught exception" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefusedExceptions has uses of exceptions that are refused as such, and
// modules that are not valid because of them.
func TestRefusedExceptions(t *testing.T) {
	invalid := catching()
	invalid.Funcs[4].Body = []byte{0x08, 0} // throws nothing where a number is due
	unknown := catching()
	unknown.Funcs[4].Body = append(enginetest.Const(1), 0x08, 1)
	reference := catching()
	reference.Funcs = append(reference.Funcs, enginetest.Func{Name: "tag", Params: []byte{0x6f}, Body: nil})
	reference.Tags = []int{0, 5}
	imported := bare(enginetest.Section(1, []byte{1, 0x60, 0, 0}), enginetest.Section(2, []byte("\x01\x03env\x03tag\x04\x00\x00")))
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"invalid":   {invalid.Bytes(), "module is not valid: "},
		"unknown":   {unknown.Bytes(), "module is not valid: "},
		"reference": {reference.Bytes(), "module uses exception handling in a way that this runtime does not offer: tag 1 carries a reference"},
		"imported":  {imported, "module imports what this runtime does not provide: env.tag (tag)"},
	} {
		_, err := Compile(t.Context(), c.wasm, t.TempDir())
		if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got  %v\nwant %s", name, err, c.want)
		}
	}
}
