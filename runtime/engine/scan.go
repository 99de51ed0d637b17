// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"slices"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// outline is what can be told about a module by reading it once: what it
// wants, what it offers and which extensions of WebAssembly it uses.
type outline struct {
	imports    []Import
	exports    []export
	memories   []limits // own and imported ones
	extensions []use    // what it uses beyond what the engine takes; each extension once
	exceptions bool     // it uses exception handling, which package lower takes out
	declared   []string // extensions its compiler was allowed to use, used or not
	keepsData  bool     // its code looks at data segments after the start
	names      []byte   // the name section, not looked into

	tableEntries uint64 // that its tables begin with
	nameBytes    int    // of the names of imports and exports
}

type export struct {
	name string
	kind byte
}

// limits are a memory's or table's size (binary format, "limits").
type limits struct {
	min, max uint64
	bounded  bool
	own      bool // of a memory: not imported
}

// use is where an extension was seen first.
type use struct {
	extension bytecode.Extension
	function  int // the function's index; nowhere when it is a declaration
}

const nowhere = -1

var externNames = []string{"function", "table", "memory", "global", "tag"}

// scan outlines a module.
func scan(wasm []byte) (*outline, error) {
	o := &outline{}
	sections, err := bytecode.Sections(wasm)
	if err != nil {
		return nil, err
	}
	o.findNames(sections)
	for _, s := range sections {
		if err := checkEntries(s); err != nil {
			return nil, fmt.Errorf("section %d: %w", s.ID, err)
		}
		r := bytecode.NewReader(s.Body)
		if err := o.section(s.ID, r); err != nil {
			return nil, fmt.Errorf("section %d: %w", s.ID, err)
		}
	}
	return o, nil
}

func (o *outline) section(id bytecode.SectionID, r *bytecode.Reader) error {
	switch id {
	case bytecode.Custom:
		if r.Name() == "target_features" {
			o.targetFeatures(r)
		}
		return nil // a custom section cannot make a module invalid
	case bytecode.Type:
		o.types(r)
	case bytecode.Import:
		r.Vector(func() { o.imported(r) })
	case bytecode.Table:
		r.Vector(func() { o.table(r) })
	case bytecode.Memory:
		r.Vector(func() { o.memory(r, true) })
	case bytecode.Export:
		r.Vector(func() {
			e := export{name: r.Name(), kind: r.Byte()}
			r.U32()
			o.named(r, e.name)
			o.exports = append(o.exports, e)
		})
	case bytecode.Tag:
		o.extension(bytecode.Exceptions, nowhere)
	case bytecode.Code:
		return o.code(r.Rest())
	}
	return r.Err()
}

// Forms of a type definition (binary format, "comptype"); the rest is in
// package bytecode.
const (
	formCont     = 0x5d
	formSubFinal = 0x4f
	formSub      = 0x50
	formArray    = 0x5e
	formStruct   = 0x5f
)

// types walks over the function types, up to the first of another form: those
// nest, and the engine refuses them anyway.
func (o *outline) types(r *bytecode.Reader) {
	for n := uint64(r.U32()); n > 0 && r.Err() == nil; n-- {
		switch r.Byte() {
		case bytecode.FormFunc:
			r.Vector(func() { o.valueType(r) })
			r.Vector(func() { o.valueType(r) })
		case bytecode.FormGroup:
			n += uint64(r.U32())
		case formCont:
			o.extension(bytecode.StackSwitching, nowhere)
			return
		case formSubFinal, formSub, formArray, formStruct:
			o.extension(bytecode.GC, nowhere)
			return
		default:
			return
		}
	}
}

func (o *outline) valueType(r *bytecode.Reader) {
	o.extension(r.ValueType().Extension(), nowhere)
}

func (o *outline) imported(r *bytecode.Reader) {
	im := Import{Module: r.Name(), Name: r.Name()}
	kind := r.Byte()
	if r.Err() == nil && int(kind) < len(externNames) {
		im.Kind = externNames[kind]
	}
	switch kind {
	case bytecode.ExternFunc:
		r.U32()
		if im.Module == "wasi" && im.Name == "thread-spawn" {
			o.extension(bytecode.Threads, nowhere)
		}
	case bytecode.ExternTable:
		o.valueType(r)
		o.tableSize(r)
	case bytecode.ExternMemory:
		o.memory(r, false)
	case bytecode.ExternGlobal:
		o.valueType(r)
		r.Byte()
	case bytecode.ExternTag:
		o.extension(bytecode.Exceptions, nowhere)
		r.Byte()
		r.U32()
	default:
		r.Fail(fmt.Errorf("import %.200s.%.200s is of an unknown kind %#x", im.Module, im.Name, kind))
	}
	o.named(r, im.Module, im.Name)
	o.imports = append(o.imports, im)
}

func (o *outline) memory(r *bytecode.Reader, own bool) {
	l := o.limits(r)
	l.own = own
	if o.memories = append(o.memories, l); len(o.memories) > 1 {
		o.extension(bytecode.MultiMemory, nowhere)
	}
}

// limits reads a size and what its flags declare.
func (o *outline) limits(r *bytecode.Reader) (l limits) {
	const (
		flagMax    = 1 << 0
		flagShared = 1 << 1
		flag64     = 1 << 2
		flagPage   = 1 << 3
	)
	flags := r.Byte()
	if flags&flagShared != 0 {
		o.extension(bytecode.Threads, nowhere)
	}
	if flags&flag64 != 0 {
		o.extension(bytecode.Memory64, nowhere)
	}
	l.min = r.U64()
	if flags&flagMax != 0 {
		l.max, l.bounded = r.U64(), true
	}
	if flags&flagPage != 0 {
		o.extension(bytecode.CustomPages, nowhere)
		r.U32()
	}
	return l
}

// targetFeatures reads what LLVM says about a module (tool-conventions,
// "Target Features Section"). It is a hint for messages: what is declared need
// not be used.
func (o *outline) targetFeatures(r *bytecode.Reader) {
	const used = '+'
	r.Vector(func() {
		if prefix, name := r.Byte(), r.Name(); prefix == used && r.Err() == nil {
			o.declared = append(o.declared, name)
		}
	})
}

// code reads every instruction, for the extensions that show nowhere else.
func (o *outline) code(code []byte) error {
	function := 0
	for _, im := range o.imports {
		if im.Kind == externNames[bytecode.ExternFunc] {
			function++
		}
	}
	var in bytecode.Instruction
	return bytecode.Bodies(code, func(body *bytecode.Reader) error {
		locals := uint64(0)
		for _, group := range body.Locals() {
			locals += uint64(group.Count)
			o.extension(group.Type.Extension(), function)
		}
		if locals > maxLocals {
			return tooMuch("%s has %d local variables, more than the %d allowed", o.function(function), locals, maxLocals)
		}
		for body.More() {
			if body.Instruction(&in); body.Err() == nil {
				o.extension(in.Op.Extension(), function)
				o.keepsData = o.keepsData || in.Op == bytecode.MemoryInit || in.Op == bytecode.DataDrop
			}
		}
		if err := body.Err(); err != nil {
			return fmt.Errorf("%s: %w", o.function(function), err)
		}
		function++
		return nil
	})
}

func (o *outline) extension(e bytecode.Extension, function int) {
	switch e {
	case "":
	case bytecode.Exceptions:
		o.exceptions = true
	default:
		if !slices.ContainsFunc(o.extensions, func(u use) bool { return u.extension == e }) {
			o.extensions = append(o.extensions, use{e, function})
		}
	}
}
