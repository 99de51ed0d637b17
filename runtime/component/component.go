// SPDX-License-Identifier: Apache-2.0

// Package component reads what a WebAssembly component says about itself: what it imports and exports, the world it was
// built for, and the core modules it is made of. It does not run components.
//
// The format is that of the component model's Binary.md
// (https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md), pre-standard version 0x0d. It trusts
// nothing: every length is checked against what is there, and what nests or is kept has a bound.
package component

import (
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// Bounds of what is read. Real components have some fifty imports and nest once or twice.
const (
	maxDepth   = 8    // of components in components, and of types in types
	maxExterns = 1000 // imports, and exports
	maxName    = 1024 // bytes of a name
	maxModules = 1000 // core modules, of nested components too
)

// Outline is what a component says about itself.
type Outline struct {
	Imports []Extern
	Exports []Extern
	World   string   // "wasi:cli/command@0.2.0"; several are separated by ", "; "" when it is not known
	Modules [][]byte // core modules, of nested components too
}

// Extern is an import or an export.
type Extern struct {
	Name string // such as wasi:cli/run@0.2.0
	Kind string // module, function, value, type, component or instance
}

// Sections of a component; those that are not looked into are left out.
const (
	sectionCustom    = 0
	sectionModule    = 1
	sectionComponent = 4
	sectionImport    = 10
	sectionExport    = 11
	lastSection      = 12
)

// Read outlines a component, which is one by its preamble.
func Read(wasm []byte) (*Outline, error) {
	o := &Outline{}
	if err := o.read(wasm, 0); err != nil {
		return nil, err
	}
	if o.World == "" {
		o.World = worldOf(o.Exports)
	}
	return o, nil
}

// read reads the component itself at depth 0; of the components in it only the modules count.
func (o *Outline) read(wasm []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("its components are nested more than %d deep", maxDepth)
	}
	if len(wasm) < bytecode.PreambleLen {
		return bytecode.ErrTruncated
	}
	r := bytecode.NewReader(wasm[bytecode.PreambleLen:])
	for r.More() {
		id := r.Byte()
		body := r.Take(uint64(r.U32()))
		if r.Err() != nil {
			return r.Err()
		}
		if err := o.section(id, body, depth); err != nil {
			return fmt.Errorf("section %d: %w", id, err)
		}
	}
	return nil
}

func (o *Outline) section(id byte, body []byte, depth int) (err error) {
	r := bytecode.NewReader(body)
	switch {
	case id > lastSection:
		return fmt.Errorf("there is no such section in a component")
	case id == sectionModule:
		if o.Modules = append(o.Modules, body); len(o.Modules) > maxModules {
			return fmt.Errorf("it has more than %d core modules", maxModules)
		}
	case id == sectionComponent:
		return o.read(body, depth+1)
	case depth > 0:
		return nil
	case id == sectionCustom:
		if isWorld(r.Name()) && o.World == "" {
			o.World = World(r.Rest())
		}
		return nil // a custom section cannot make a component invalid
	case id == sectionImport:
		o.Imports, err = externs(r, o.Imports, "imports", readImport)
	case id == sectionExport:
		o.Exports, err = externs(r, o.Exports, "exports", readExport)
	}
	return err
}

// externs appends what a section of imports or exports has to list.
func externs(r *bytecode.Reader, list []Extern, what string, read func(*types) Extern) ([]Extern, error) {
	t := &types{Reader: r}
	r.Vector(func() {
		if len(list) == maxExterns {
			r.Fail(fmt.Errorf("it has more than %d %s", maxExterns, what))
			return
		}
		list = append(list, read(t))
	})
	return list, r.Err()
}

func readImport(t *types) Extern {
	name := t.externName()
	return Extern{Name: name, Kind: t.externType()}
}

func readExport(t *types) Extern {
	name := t.externName()
	kind := t.sort()
	t.U32()
	if t.optional() { // the type it is to have, which is of the same kind
		t.externType()
	}
	return Extern{Name: name, Kind: kind}
}
