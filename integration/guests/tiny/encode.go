// SPDX-License-Identifier: Apache-2.0

// Package tiny writes Wasm modules of a few hundred bytes, byte by byte, for tests
// that need one exact behaviour and a compile time of nothing: a trap, a loop that
// never ends, memory that grows for ever, an import that nobody has.
//
// The encoding is that of the WebAssembly core specification 2.0, chapter 5.
package tiny

import "encoding/binary"

// Value types and opcodes, as far as the modules below use them.
const (
	typeI32 = 0x7f
	typeI64 = 0x7e

	opUnreachable = 0x00
	opLoop        = 0x03
	opIf          = 0x04
	opEnd         = 0x0b
	opBr          = 0x0c
	opCall        = 0x10
	opDrop        = 0x1a
	opLocalGet    = 0x20
	opLocalTee    = 0x22
	opI32Load     = 0x28
	opI32Const    = 0x41
	opI64Const    = 0x42
	opI32Eq       = 0x46
	opI32DivS     = 0x6d
	opI32Shl      = 0x74
	opMemoryGrow  = 0x40
	opPrefix      = 0xfc
	opMemoryFill  = 0x0b // after opPrefix
	blockVoid     = 0x40
)

// function is an imported or defined function of the module.
type function struct {
	module, name    string // of an import
	params, results []byte
	locals          []byte
	body            []byte // without the final end
}

// module is what encode writes.
type module struct {
	imports []function
	// start is exported as _start, or as export if that is set; nil leaves the
	// export out.
	start  *function
	export string
	// data lies in memory at dataAt.
	data   []byte
	dataAt int32
}

// Preview 1 functions that the modules import.
var (
	fdWrite    = function{module: "wasi_snapshot_preview1", name: "fd_write", params: []byte{typeI32, typeI32, typeI32, typeI32}, results: []byte{typeI32}}
	pollOneoff = function{module: "wasi_snapshot_preview1", name: "poll_oneoff", params: []byte{typeI32, typeI32, typeI32, typeI32}, results: []byte{typeI32}}
	sockOpen   = function{module: "wasi_snapshot_preview1", name: "sock_open", params: []byte{typeI32, typeI32, typeI32}, results: []byte{typeI32}}
	pathOpen   = function{
		module: "wasi_snapshot_preview1", name: "path_open",
		params: []byte{typeI32, typeI32, typeI32, typeI32, typeI32, typeI64, typeI64, typeI32, typeI32}, results: []byte{typeI32},
	}
	procExit = function{module: "wasi_snapshot_preview1", name: "proc_exit", params: []byte{typeI32}}
)

// encode returns the module's binary form: one type per function, one page of
// memory exported as "memory".
func (m module) encode() []byte {
	functions := m.imports
	if m.start != nil {
		functions = append(functions[:len(functions):len(functions)], *m.start)
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	var types, imports [][]byte
	for i, f := range functions {
		types = append(types, join([]byte{0x60}, bytesOf(f.params), bytesOf(f.results)))
		if i < len(m.imports) {
			imports = append(imports, join(nameOf(f.module), nameOf(f.name), []byte{0x00}, unsigned(i)))
		}
	}
	exports := [][]byte{join(nameOf("memory"), []byte{0x02, 0x00})}
	var defined, code [][]byte
	if m.start != nil {
		index := unsigned(len(m.imports))
		name := m.export
		if name == "" {
			name = "_start"
		}
		exports = append(exports, join(nameOf(name), []byte{0x00}, index))
		defined = [][]byte{index}
		var locals [][]byte
		for _, local := range m.start.locals {
			locals = append(locals, []byte{1, local})
		}
		code = [][]byte{bytesOf(join(vector(locals), m.start.body, []byte{opEnd}))}
	}
	for _, s := range []struct {
		id    byte
		items [][]byte
	}{
		{1, types}, {2, imports}, {3, defined},
		{5, [][]byte{{0x00, 0x01}}}, // memory: at least one page, no maximum
		{7, exports}, {10, code}, {11, m.segments()},
	} {
		if len(s.items) > 0 {
			out = append(out, s.id)
			out = append(out, bytesOf(vector(s.items))...)
		}
	}
	return out
}

func (m module) segments() [][]byte {
	if len(m.data) == 0 {
		return nil
	}
	return [][]byte{join([]byte{0x00}, constant(m.dataAt), []byte{opEnd}, bytesOf(m.data))}
}

// iovec is the preview 1 struct of an address and a length.
func iovec(address, length int) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(address)), uint32(length))
}

// constant is i32.const n.
func constant(n int32) []byte { return join([]byte{opI32Const}, signed(int64(n))) }

// constant64 is i64.const n.
func constant64(n int64) []byte { return join([]byte{opI64Const}, signed(n)) }

// call is call i.
func call(i int) []byte { return join([]byte{opCall}, unsigned(i)) }

func unsigned(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// signed is LEB128 of a signed number.
func signed(n int64) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if (n == 0 && b&0x40 == 0) || (n == -1 && b&0x40 != 0) {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func bytesOf(b []byte) []byte { return join(unsigned(len(b)), b) }

func nameOf(s string) []byte { return bytesOf([]byte(s)) }

func vector(items [][]byte) []byte { return join(unsigned(len(items)), join(items...)) }

func join(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = append(out, part...)
	}
	return out
}
