// SPDX-License-Identifier: Apache-2.0

// Package wasitest runs host functions the way guests do, for tests: through a tiny module that does
// nothing but call them, or through Go programs compiled for wasip1.
package wasitest

import "github.com/tetratelabs/wazero/api"

// Import is one host function a test calls.
type Import struct {
	// Module and Name are what it is imported by.
	Module, Name string
	// Params spells its parameters: 'i' for i32, 'I' for i64.
	Params string
	// NoResult functions return nothing; the others an i32.
	NoResult bool
}

// MemoryPages is the size of an assembled module's memory, in pages of 64 KiB.
const MemoryPages = 2

// Assemble is the module NewCaller instantiates.
func Assemble(imports []Import) []byte { return assemble(imports, MemoryPages) }

// assemble makes a module that exports, for each import, a function "module.name" that calls it, and
// pages of memory; with none it has no memory at all. It follows the binary format of the WebAssembly core specification, section 5.
func assemble(imports []Import, pages int) []byte {
	var types, imported, funcs, exports, code section
	for i, f := range imports {
		types.add(0x60, vec(valTypes(f.Params)), vec(results(f)))
		imported.add(name(f.Module), name(f.Name), 0x00, uleb(i))
		funcs.add(uleb(i))
		exports.add(name(f.Module+"."+f.Name), 0x00, uleb(len(imports)+i))
		var body []byte
		for p := range f.Params {
			body = append(append(body, 0x20), uleb(p)...) // local.get p
		}
		body = append(append(body, 0x10), uleb(i)...) // call i
		code.add(vec(append([]byte{0}, append(body, 0x0b)...)))
	}
	var memory section
	if pages > 0 {
		memory.add(0x00, uleb(pages))
		exports.add(name("memory"), 0x02, 0x00)
	}

	wasm := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range []struct {
		id byte
		section
	}{{1, types}, {2, imported}, {3, funcs}, {5, memory}, {7, exports}, {10, code}} {
		wasm = append(append(wasm, s.id), vec(append(uleb(s.n), s.bytes...))...)
	}
	return wasm
}

// section collects a vector of entries.
type section struct {
	n     int
	bytes []byte
}

func (s *section) add(parts ...any) {
	s.n++
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			s.bytes = append(s.bytes, byte(p))
		case []byte:
			s.bytes = append(s.bytes, p...)
		}
	}
}

func valTypes(spelled string) []byte {
	types := make([]byte, len(spelled))
	for i := range spelled {
		types[i] = api.ValueTypeI32
		if spelled[i] == 'I' {
			types[i] = api.ValueTypeI64
		}
	}
	return types
}

func results(f Import) []byte {
	if f.NoResult {
		return nil
	}
	return []byte{api.ValueTypeI32}
}

func name(s string) []byte { return vec([]byte(s)) }

func vec(b []byte) []byte { return append(uleb(len(b)), b...) }

func uleb(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
