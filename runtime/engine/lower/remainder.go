// SPDX-License-Identifier: Apache-2.0

package lower

import "github.com/wazelet/wazelet/runtime/engine/bytecode"

// division is what a remainder is made of: a - a/b*b.
type division struct {
	code               byte        // the type
	constant           bytecode.Op // of that type
	equal              bytecode.Op
	divide, times, sub bytecode.Op
	signed             bool
}

// Remainders by their opcodes: i32.rem_s, i32.rem_u, i64.rem_s, i64.rem_u.
var remainders = map[bytecode.Op]division{
	0x6f: {bytecode.I32, bytecode.I32Const, 0x46, 0x6d, 0x6c, 0x6b, true},
	0x70: {bytecode.I32, bytecode.I32Const, 0x46, 0x6e, 0x6c, 0x6b, false},
	0x81: {bytecode.I64, bytecode.I64Const, 0x51, 0x7f, 0x7e, 0x7d, true},
	0x82: {bytecode.I64, bytecode.I64Const, 0x51, 0x80, 0x7e, 0x7d, false},
}

// remainder writes a remainder as a division; it says whether op is one. A
// division by zero traps as the remainder does. The one thing that a division
// cannot do and a remainder can is the smallest number by -1: a remainder by
// -1 is the one by 1.
func (f *function) remainder(op bytecode.Op) bool {
	d, is := remainders[op]
	if !is {
		return false
	}
	a, b := f.local(d.code, 0), f.local(d.code, 1)
	f.op(bytecode.LocalSet, b)
	f.op(bytecode.LocalSet, a)
	if d.signed {
		f.constant(d.constant, 1)
		f.op(bytecode.LocalGet, b)
		f.op(bytecode.LocalGet, b)
		f.constant(d.constant, -1)
		f.op(d.equal)
		f.op(bytecode.Select)
		f.op(bytecode.LocalSet, b)
	}
	f.op(bytecode.LocalGet, a)
	f.op(bytecode.LocalGet, a)
	f.op(bytecode.LocalGet, b)
	f.op(d.divide)
	f.op(bytecode.LocalGet, b)
	f.op(d.times)
	f.op(d.sub)
	return true
}
