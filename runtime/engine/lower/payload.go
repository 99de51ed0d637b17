// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"errors"
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// Instructions that only the lowering writes.
const (
	i32Eq             bytecode.Op = 0x46
	i64Eqz            bytecode.Op = 0x50
	i32WrapI64        bytecode.Op = 0xa7
	i64ExtendI32U     bytecode.Op = 0xad
	i32ReinterpretF32 bytecode.Op = 0xbc
	i64ReinterpretF64 bytecode.Op = 0xbd
	f32ReinterpretI32 bytecode.Op = 0xbe
	f64ReinterpretI64 bytecode.Op = 0xbf
	vector            bytecode.Op = 0xfd // the prefix of the next ones
)

// Instructions on vectors by their numbers, and the lanes of an exception.
const (
	i64x2Splat       = 0x12
	i64x2ExtractLane = 0x1d
	i64x2ReplaceLane = 0x1e
	payloadLane      = 0
	tagLane          = 1
)

// toBits and fromBits turn a number into an i64 and back.
var (
	toBits = map[byte][]bytecode.Op{
		bytecode.I32: {i64ExtendI32U},
		bytecode.F32: {i32ReinterpretF32, i64ExtendI32U},
		bytecode.F64: {i64ReinterpretF64},
	}
	fromBits = map[byte][]bytecode.Op{
		bytecode.I32: {i32WrapI64},
		bytecode.F32: {i32WrapI64, f32ReinterpretI32},
		bytecode.F64: {f64ReinterpretI64},
	}
)

// payload is the types of the values that a tag carries.
func (f *function) payload(tag uint32) ([]bytecode.ValueType, error) {
	if int64(tag) >= int64(len(f.tags)) {
		return nil, fmt.Errorf("there is no tag %d", tag)
	}
	t, err := f.typeAt(int64(f.tags[tag]))
	return t.Params, err
}

// pushPayload pushes what the pending exception, of that tag, carries.
func (f *function) pushPayload(tag uint32) error {
	payload, err := f.payload(tag)
	for n, t := range payload {
		f.op(bytecode.GlobalGet, f.slots[slotOf(t, n)])
		f.ops(fromBits[t.Code])
	}
	return err
}

// throw stores the payload, the last value first, and the tag.
func (f *function) throw(tag uint32) error {
	payload, err := f.payload(tag)
	if err != nil {
		return err
	}
	for n := len(payload) - 1; n >= 0; n-- {
		f.ops(toBits[payload[n].Code])
		f.op(bytecode.GlobalSet, f.slots[slotOf(payload[n], n)])
	}
	f.constant(bytecode.I32Const, int64(tag)+1)
	f.op(bytecode.GlobalSet, f.pending)
	f.raise(bytecode.Br)
	return nil
}

// word is the global of the one number that a tag may carry for its exceptions
// to be referred to; there is none when no tag carries anything.
func (f *function) word() (global uint32, found bool, err error) {
	for s, g := range f.slots {
		if s != (slot{bytecode.I64, 0}) {
			return 0, false, errors.New("exceptions are referred to (exnref), and a tag carries more than one number")
		}
		global, found = g, true
	}
	return global, found, nil
}

// pushException pushes the pending exception as a value.
func (f *function) pushException() error {
	word, found, err := f.word()
	if found {
		f.op(bytecode.GlobalGet, word)
	} else {
		f.constant(bytecode.I64Const, 0)
	}
	f.op(vector, i64x2Splat)
	f.op(bytecode.GlobalGet, f.pending)
	f.op(i64ExtendI32U)
	f.op(vector, i64x2ReplaceLane, tagLane)
	return err
}

// throwRef makes the exception on the stack the pending one; null traps.
func (f *function) throwRef() error {
	exception := f.local(bytecode.V128, 0)
	f.op(bytecode.LocalTee, exception)
	f.op(vector, i64x2ExtractLane, tagLane)
	f.op(i64Eqz)
	f.block(bytecode.If, f.blockTaking(nil))
	f.op(bytecode.Unreachable)
	f.end()
	word, found, err := f.word()
	if found {
		f.op(bytecode.LocalGet, exception)
		f.op(vector, i64x2ExtractLane, payloadLane)
		f.op(bytecode.GlobalSet, word)
	}
	f.op(bytecode.LocalGet, exception)
	f.op(vector, i64x2ExtractLane, tagLane)
	f.op(i32WrapI64)
	f.op(bytecode.GlobalSet, f.pending)
	f.raise(bytecode.Br)
	return err
}

func (f *function) ops(ops []bytecode.Op) {
	for _, op := range ops {
		f.op(op)
	}
}
