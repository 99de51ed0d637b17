// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"errors"
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

var errType = errors.New("a type is not a function's")

// module is what has to be known of a module to rewrite it.
type module struct {
	options       Options
	types         []bytecode.FuncType // as the module has them, and new ones
	own           int                 // types that are the module's
	grouped       bool                // some of them come in groups
	blocks        map[string]uint32   // new types by their encoding
	funcs         []uint32            // types of all functions, imported ones first
	importedFuncs uint32
	globals       uint32   // how many there are
	tags          []uint32 // types of all tags
	code          []byte
	room          int // bytes that the new code may take

	// Of exceptions only; see planExceptions.
	throws  []bool               // by function: whether an exception may leave it
	pending uint32               // the global that holds the pending exception's tag, plus one
	slots   map[slot]uint32      // globals that hold its payload
	extra   []bytecode.ValueType // types of the new globals
}

func (m *module) read(s bytecode.Section) error {
	r := bytecode.NewReader(s.Body)
	switch s.ID {
	case bytecode.Type:
		r.Vector(func() { m.definedType(r) })
		m.own = len(m.types)
	case bytecode.Import:
		r.Vector(func() { m.imported(r) })
	case bytecode.Function:
		r.Vector(func() { m.funcs = append(m.funcs, r.U32()) })
		for _, t := range m.funcs {
			if int(t) >= len(m.types) {
				return fmt.Errorf("there is no type %d", t)
			}
		}
	case bytecode.Global:
		m.globals += r.U32()
		return r.Err()
	case bytecode.Tag:
		r.Vector(func() { r.Byte(); m.tags = append(m.tags, r.U32()) })
	case bytecode.Code:
		m.code = s.Body
	}
	return r.Err()
}

// definedType reads a type or a group of types.
func (m *module) definedType(r *bytecode.Reader) {
	switch r.Byte() {
	case bytecode.FormFunc:
		m.types = append(m.types, r.FuncType())
	case bytecode.FormGroup:
		m.grouped = true
		r.Vector(func() {
			if r.Byte() != bytecode.FormFunc {
				r.Fail(errType)
				return
			}
			m.types = append(m.types, r.FuncType())
		})
	default:
		r.Fail(errType)
	}
}

// imported reads an import. Exceptions cannot come from outside: no host
// module has any.
func (m *module) imported(r *bytecode.Reader) {
	from, name := r.Name(), r.Name()
	switch kind := r.Byte(); kind {
	case bytecode.ExternFunc:
		m.funcs = append(m.funcs, r.U32())
		m.importedFuncs++
	case bytecode.ExternGlobal:
		r.ValueType()
		r.Byte()
		m.globals++
	default:
		r.Fail(fmt.Errorf("import %.200s.%.200s is no function", from, name))
	}
}

// typeOf is a function's type.
func (m *module) typeOf(function uint32) (bytecode.FuncType, error) {
	if int(function) >= len(m.funcs) {
		return bytecode.FuncType{}, fmt.Errorf("there is no function %d", function)
	}
	return m.typeAt(int64(m.funcs[function]))
}

func (m *module) typeAt(index int64) (bytecode.FuncType, error) {
	if index < 0 || index >= int64(m.own) {
		return bytecode.FuncType{}, fmt.Errorf("there is no type %d", index)
	}
	return m.types[index], nil
}

// blockTaking is the type of a block that takes these parameters and has no
// results.
func (m *module) blockTaking(params []bytecode.ValueType) bytecode.BlockType {
	if len(params) == 0 {
		return bytecode.BlockType{Index: -1, Value: bytecode.ValueType{Code: bytecode.Empty}}
	}
	t := bytecode.FuncType{Params: params}
	key := string(t.Append(nil))
	index, known := m.blocks[key]
	if !known {
		index = uint32(len(m.types))
		m.types = append(m.types, t)
		if m.blocks == nil {
			m.blocks = map[string]uint32{}
		}
		m.blocks[key] = index
	}
	return bytecode.BlockType{Index: int64(index)}
}

// writeTypes is the type section with numbers for exceptions and the new
// types behind the module's.
func (m *module) writeTypes() []byte {
	b := bytecode.AppendU32(nil, uint32(len(m.types)))
	for _, t := range m.types {
		low := bytecode.FuncType{}
		for _, v := range t.Params {
			low.Params = append(low.Params, lowerType(v))
		}
		for _, v := range t.Results {
			low.Results = append(low.Results, lowerType(v))
		}
		b = low.Append(b)
	}
	return b
}
