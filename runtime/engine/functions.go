// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// wazero tells of a module's functions only of all at once, names and all: for 20,000
// of them 3.7 MB that a worker would hold as long as it lives. What is looked at is what
// is imported, and one or two that are exported; that is read from the module itself.

// function is one that a module imports or exports.
type function struct {
	from, name string // what it is imported by; "" of its own
	params     []api.ValueType
	results    []api.ValueType
}

// Import is that of api.FunctionDefinition.
func (f function) Import() (from, name string, imported bool) { return f.from, f.name, f.name != "" }

// ParamTypes are those of api.FunctionDefinition.
func (f function) ParamTypes() []api.ValueType { return f.params }

// ResultTypes are those of api.FunctionDefinition.
func (f function) ResultTypes() []api.ValueType { return f.results }

// face is what others see of a module.
type face struct {
	imported []function
	exported map[string]function
}

// faceOf reads what a module imports, and which of the wanted functions it exports.
// wazero has taken the module, so it is valid; what is not even well-formed is an error
// all the same.
func faceOf(wasm []byte, wanted ...string) (f face, err error) {
	sections, err := bytecode.Sections(wasm)
	if err != nil {
		return f, err
	}
	f.exported = map[string]function{}
	var types []function
	var own []byte // the section of the module's own functions, as it is
	for _, s := range sections {
		r := bytecode.NewReader(s.Body)
		typed := func(index uint32) (fn function) {
			if uint64(index) >= uint64(len(types)) {
				r.Fail(errors.New("a function of no type"))
				return fn
			}
			return types[index]
		}
		switch s.ID {
		case bytecode.Type:
			types = functionTypes(r)
		case bytecode.Import:
			r.Vector(func() {
				from, name := string(r.Take(uint64(r.U32()))), string(r.Take(uint64(r.U32())))
				if r.Byte() != bytecode.ExternFunc { // the host has nothing else, so nothing else gets this far
					r.Fail(errors.New("it imports more than functions"))
					return
				}
				fn := typed(r.U32())
				fn.from, fn.name = from, name
				f.imported = append(f.imported, fn)
			})
		case bytecode.Function:
			own = s.Body
		case bytecode.Export:
			r.Vector(func() {
				name := string(r.Take(uint64(r.U32())))
				kind, index := r.Byte(), r.U32()
				if kind != bytecode.ExternFunc || !slices.Contains(wanted, name) {
					return
				}
				if int64(index) < int64(len(f.imported)) {
					f.exported[name] = f.imported[index]
					return
				}
				f.exported[name] = typed(typeOf(own, index-uint32(len(f.imported))))
			})
		}
		if r.Err() != nil {
			return f, r.Err()
		}
	}
	return f, nil
}

// functionTypes reads the type section.
func functionTypes(r *bytecode.Reader) (types []function) {
	for n := uint64(r.U32()); n > 0 && r.Err() == nil; n-- {
		switch form := r.Byte(); form {
		case bytecode.FormFunc:
			t := r.FuncType()
			types = append(types, function{params: valueTypes(t.Params), results: valueTypes(t.Results)})
		case bytecode.FormGroup:
			n += uint64(r.U32())
		default:
			r.Fail(errors.New("a type of no function"))
		}
	}
	return types
}

func valueTypes(list []bytecode.ValueType) []api.ValueType {
	types := make([]api.ValueType, len(list))
	for i, t := range list {
		types[i] = t.Code
	}
	return types
}

// typeOf is the type's index of the module's own function at index.
func typeOf(section []byte, index uint32) uint32 {
	r := bytecode.NewReader(section)
	if index >= r.U32() {
		return ^uint32(0)
	}
	for range index {
		r.U32()
	}
	return r.U32()
}
