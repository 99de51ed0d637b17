// SPDX-License-Identifier: Apache-2.0

// Package enginetest assembles small WebAssembly modules for tests: each does
// one thing, and nothing has to be installed to make it.
package enginetest

import (
	"encoding/binary"
	"slices"
)

// Value types and opcodes of the binary format that the modules need.
const (
	I32         = 0x7f
	I64         = 0x7e
	Unreachable = 0x00
	Loop        = 0x03
	End         = 0x0b
	Br          = 0x0c
	BrIf        = 0x0d
	Call        = 0x10
	CallTable   = 0x11
	Drop        = 0x1a
	LocalGet    = 0x20
	LocalTee    = 0x22
	I32Const    = 0x41
	I32Add      = 0x6a
	I32LtU      = 0x49
	MemoryGrow  = 0x40
	I32Eq       = 0x46
	I32Store    = 0x36
	void        = 0x40
	FuncRef     = 0x70
)

// Func is a function: an import when Module is set.
type Func struct {
	Module, Name    string // an import's module and name; or the export's name
	Params, Results []byte
	Locals          int    // of type i32
	Body            []byte // without the final end
}

// Module is a module in the making. Imports come first in Funcs.
type Module struct {
	Funcs   []Func
	Memory  []byte // the memory section's limits; nil for one page
	Data    []byte // at address 0
	Tags    []int  // exceptions: indexes of functions whose parameters they carry
	Table   []int  // a table of these functions, by their indexes
	Extra   []byte // sections appended as they are
	NoNames bool
}

// Bytes returns the module's binary.
func (m Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	imports, own := m.split()
	types := make([][]byte, len(m.Funcs))
	for i, f := range m.Funcs {
		types[i] = slices.Concat([]byte{0x60}, vec(f.Params), vec(f.Results))
	}
	out = append(out, Section(1, Vector(types...))...)
	var entries, indexes, exports, code [][]byte
	for i, f := range imports {
		entries = append(entries, slices.Concat(name(f.Module), name(f.Name), []byte{0x00}, uleb(uint64(i))))
	}
	for i, f := range own {
		at := uint64(len(imports) + i)
		indexes = append(indexes, uleb(at))
		if f.Name != "" {
			exports = append(exports, slices.Concat(name(f.Name), []byte{0x00}, uleb(at)))
		}
		body := slices.Concat(locals(f.Locals), f.Body, []byte{End})
		code = append(code, slices.Concat(uleb(uint64(len(body))), body))
	}
	limits := m.Memory
	if limits == nil {
		limits = []byte{0x00, 0x01}
	}
	exports = append(exports, slices.Concat(name("memory"), []byte{0x02, 0x00}))
	out = append(out, Section(2, Vector(entries...))...)
	out = append(out, Section(3, Vector(indexes...))...)
	if m.Table != nil {
		out = append(out, Section(4, slices.Concat([]byte{1, FuncRef, 0x00}, uleb(uint64(len(m.Table)))))...)
	}
	out = append(out, Section(5, slices.Concat([]byte{1}, limits))...)
	if m.Tags != nil {
		var tags [][]byte
		for _, function := range m.Tags {
			tags = append(tags, append([]byte{0x00}, uleb(uint64(function))...))
		}
		out = append(out, Section(13, Vector(tags...))...)
	}
	out = append(out, Section(7, Vector(exports...))...)
	if m.Table != nil {
		var functions [][]byte
		for _, index := range m.Table {
			functions = append(functions, uleb(uint64(index)))
		}
		out = append(out, Section(9, slices.Concat([]byte{1, 0x00, I32Const, 0x00, End}, Vector(functions...)))...)
	}
	out = append(out, Section(10, Vector(code...))...)
	if m.Data != nil {
		out = append(out, Section(11, slices.Concat([]byte{1, 0x00, I32Const, 0x00, End}, vec(m.Data)))...)
	}
	return append(append(out, m.names()...), m.Extra...)
}

func (m Module) split() (imports, own []Func) {
	for i, f := range m.Funcs {
		if f.Module == "" {
			return m.Funcs[:i], m.Funcs[i:]
		}
	}
	return m.Funcs, nil
}

// names is the custom section that gives functions their names in a trace.
func (m Module) names() []byte {
	if m.NoNames {
		return nil
	}
	var assoc [][]byte
	for i, f := range m.Funcs {
		assoc = append(assoc, slices.Concat(uleb(uint64(i)), name(f.Name)))
	}
	sub := Vector(assoc...)
	return Section(0, slices.Concat(name("name"), []byte{0x01}, uleb(uint64(len(sub))), sub))
}

// Section is one section of a module.
func Section(id byte, body []byte) []byte {
	return slices.Concat([]byte{id}, uleb(uint64(len(body))), body)
}

// Custom is a custom section.
func Custom(title string, body []byte) []byte {
	return Section(0, slices.Concat(name(title), body))
}

// Vector is a count and its items.
func Vector(items ...[]byte) []byte {
	return slices.Concat(append([][]byte{uleb(uint64(len(items)))}, items...)...)
}

// Const pushes an i32.
func Const(n int32) []byte { return append([]byte{I32Const}, sleb(int64(n))...) }

// CallTo calls a function by its index.
func CallTo(index uint64) []byte { return append([]byte{Call}, uleb(index)...) }

func vec(b []byte) []byte { return append(uleb(uint64(len(b))), b...) }

func name(s string) []byte { return vec([]byte(s)) }

func locals(n int) []byte {
	if n == 0 {
		return []byte{0}
	}
	return slices.Concat([]byte{1}, uleb(uint64(n)), []byte{I32})
}

func uleb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func sleb(n int64) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
