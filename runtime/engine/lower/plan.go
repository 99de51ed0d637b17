// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"errors"
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// slot is a place for the n-th value of a payload. The bits of numbers share
// one of type i64; vectors have their own.
type slot struct {
	code byte
	n    int
}

func slotOf(t bytecode.ValueType, n int) slot {
	if t.Code == bytecode.V128 {
		return slot{bytecode.V128, n}
	}
	return slot{bytecode.I64, n}
}

// planExceptions finds out which functions an exception may leave, and which
// globals it takes to hold one.
func (m *module) planExceptions() error {
	if m.grouped {
		return errors.New("its types come in groups")
	}
	m.slots = map[slot]uint32{}
	m.pending = m.addGlobal(bytecode.ValueType{Code: bytecode.I32})
	for i, t := range m.tags {
		tag, err := m.typeAt(int64(t))
		if err != nil {
			return err
		}
		for n, v := range tag.Params {
			if v.Code < bytecode.V128 {
				return fmt.Errorf("tag %d carries a reference", i)
			}
			s := slotOf(v, n)
			if _, known := m.slots[s]; !known {
				m.slots[s] = m.addGlobal(bytecode.ValueType{Code: s.code})
			}
		}
	}
	return m.findThrowers()
}

func (m *module) addGlobal(t bytecode.ValueType) uint32 {
	m.extra = append(m.extra, t)
	return m.globals + uint32(len(m.extra)) - 1
}

// newGlobals is a global section of count entries, to which the new globals
// are added.
func (m *module) newGlobals(entries []byte, count uint32) []byte {
	b := append(bytecode.AppendU32(nil, count+uint32(len(m.extra))), entries...)
	for _, t := range m.extra {
		const mutable = 1
		b = append(append(t.Append(b), mutable), zero(t)...)
		b = append(b, byte(bytecode.End))
	}
	return b
}

// zero is code that pushes a value of that type; nil when there is none that
// is known.
func zero(t bytecode.ValueType) []byte {
	switch t.Code {
	case bytecode.I32:
		return []byte{byte(bytecode.I32Const), 0}
	case bytecode.I64:
		return []byte{byte(bytecode.I64Const), 0}
	case bytecode.F32:
		return append([]byte{byte(bytecode.F32Const)}, make([]byte, 4)...)
	case bytecode.F64:
		return append([]byte{byte(bytecode.F64Const)}, make([]byte, 8)...)
	case bytecode.V128:
		return zeroVector
	case bytecode.FuncRef, bytecode.ExternRef:
		return []byte{byte(bytecode.RefNullOp), t.Code}
	case bytecode.RefNull:
		return bytecode.AppendSigned([]byte{byte(bytecode.RefNullOp)}, t.Heap)
	}
	return nil
}

var zeroVector = append([]byte{byte(bytecode.V128Const >> 8), byte(bytecode.V128Const & 0xff)}, make([]byte, 16)...)

// findThrowers finds the functions that an exception may leave: those that
// throw, those that call one that is not known before, and those that call any
// of these. What catches is not taken into account. Imported functions are the
// host's, which knows no exceptions.
func (m *module) findThrowers() error {
	m.throws = make([]bool, len(m.funcs))
	callers := make([][]uint32, len(m.funcs))
	var found []uint32
	mark := func(function uint32) {
		if !m.throws[function] {
			m.throws[function] = true
			found = append(found, function)
		}
	}
	index := m.importedFuncs
	var in bytecode.Instruction
	err := bytecode.Bodies(m.code, func(body *bytecode.Reader) error {
		if int(index) >= len(m.funcs) {
			return fmt.Errorf("function %d has no type", index)
		}
		body.Locals()
		for body.More() {
			switch body.Instruction(&in); in.Op {
			case bytecode.Throw, bytecode.ThrowRef, bytecode.CallIndirect, bytecode.CallRef,
				bytecode.ReturnCallIndirect, bytecode.ReturnCallRef:
				mark(index)
			case bytecode.Call, bytecode.ReturnCall:
				if int(in.Index) >= len(m.funcs) {
					return fmt.Errorf("there is no function %d", in.Index)
				}
				callers[in.Index] = append(callers[in.Index], index)
			}
		}
		index++
		return body.Err()
	})
	for len(found) > 0 {
		last := found[len(found)-1]
		found = found[:len(found)-1]
		for _, caller := range callers[last] {
			mark(caller)
		}
	}
	return err
}
