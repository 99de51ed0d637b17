// SPDX-License-Identifier: Apache-2.0

package bytecode

import "fmt"

// Op is an instruction's opcode. One with a prefix is the prefix and its
// number: 0xfc0a is memory.copy, 0xfd0100 the first of relaxed SIMD.
type Op uint32

// Instructions that are looked for or written by name.
const (
	Unreachable        Op = 0x00
	Block              Op = 0x02
	Loop               Op = 0x03
	If                 Op = 0x04
	Try                Op = 0x06 // legacy, as are Catch, Rethrow, Delegate and CatchAll
	Catch              Op = 0x07
	Throw              Op = 0x08
	Rethrow            Op = 0x09
	ThrowRef           Op = 0x0a
	End                Op = 0x0b
	Br                 Op = 0x0c
	BrIf               Op = 0x0d
	BrTable            Op = 0x0e
	Return             Op = 0x0f
	Call               Op = 0x10
	CallIndirect       Op = 0x11
	ReturnCall         Op = 0x12
	ReturnCallIndirect Op = 0x13
	CallRef            Op = 0x14
	ReturnCallRef      Op = 0x15
	Delegate           Op = 0x18
	CatchAll           Op = 0x19
	Select             Op = 0x1b
	SelectTyped        Op = 0x1c
	TryTable           Op = 0x1f
	LocalGet           Op = 0x20
	LocalSet           Op = 0x21
	LocalTee           Op = 0x22
	GlobalGet          Op = 0x23
	GlobalSet          Op = 0x24
	MemorySize         Op = 0x3f
	MemoryGrow         Op = 0x40
	I32Const           Op = 0x41
	I64Const           Op = 0x42
	F32Const           Op = 0x43
	F64Const           Op = 0x44
	RefNullOp          Op = 0xd0
	RefFunc            Op = 0xd2
	BrOnNull           Op = 0xd5
	BrOnNonNull        Op = 0xd6

	prefixGC      = 0xfb
	prefixMisc    = 0xfc
	prefixSIMD    = 0xfd
	prefixThreads = 0xfe
	V128Const     = Op(prefixSIMD<<8 | 0x0c)

	MemoryInit = Op(prefixMisc<<8 | 8)
	DataDrop   = Op(prefixMisc<<8 | 9)
)

// CatchKind is a catch clause's opcode.
type CatchKind byte

// Kinds of clauses; those with Ref also push the exception itself.
const (
	CatchTag CatchKind = iota
	CatchTagRef
	CatchAny
	CatchAnyRef
)

// CatchClause is a clause of a try_table.
type CatchClause struct {
	Kind  CatchKind
	Tag   uint32 // of CatchTag and CatchTagRef
	Label uint32 // counted outside of the try_table
}

// Instruction is one instruction. Which immediates it has depends on its Op.
type Instruction struct {
	Op      Op
	Index   uint32        // the first index or label, unless below
	Block   BlockType     // of Block, Loop, If, Try and TryTable
	Type    ValueType     // of RefNullOp: as the nullable reference; of SelectTyped: the last
	Labels  []uint32      // of BrTable, the default label last
	Clauses []CatchClause // of TryTable
	Raw     []byte        // all of it, as read
}

// Instruction reads an instruction into in, whose slices are reused. The
// immediates of garbage collection, threads and stack switching are not known
// here: such an instruction ends the reading.
func (r *Reader) Instruction(in *Instruction) {
	start := r.pos
	in.Op, in.Index = Op(r.Byte()), 0
	in.Labels, in.Clauses = in.Labels[:0], in.Clauses[:0]
	switch op := in.Op; op {
	case Block, Loop, If, Try:
		in.Block = r.blockType()
	case TryTable:
		in.Block = r.blockType()
		r.Vector(func() { in.Clauses = append(in.Clauses, r.clause()) })
	case BrTable:
		r.Vector(func() { in.Labels = append(in.Labels, r.U32()) })
		in.Labels = append(in.Labels, r.U32())
	case CallIndirect, ReturnCallIndirect:
		in.Index = r.U32()
		r.U32()
	case SelectTyped:
		r.Vector(func() { in.Type = r.ValueType() })
	case I32Const, I64Const, F32Const, F64Const:
		r.constant(op)
	case RefNullOp:
		in.Type = ValueType{RefNull, r.Signed(33)}
	case prefixGC, prefixMisc, prefixSIMD, prefixThreads:
		r.prefixed(in)
	default:
		r.simple(in)
	}
	in.Raw = r.Since(start)
}

// constant reads the immediate of a constant.
func (r *Reader) constant(op Op) {
	switch op {
	case I32Const:
		r.Signed(32)
	case I64Const:
		r.Signed(64)
	case F32Const:
		r.Take(4)
	case F64Const:
		r.Take(8)
	}
}

// simple reads an instruction with one immediate or none.
func (r *Reader) simple(in *Instruction) {
	switch op := in.Op; {
	case op.hasIndex():
		in.Index = r.U32()
	case 0x28 <= op && op <= 0x3e:
		r.memArg()
	case 0xe0 <= op && op <= 0xe6:
		r.Rest()
	case !op.isPlain():
		r.Fail(fmt.Errorf("unknown instruction %#02x", byte(op)))
	}
}

// hasIndex says whether the instruction has one index as its immediate.
func (op Op) hasIndex() bool {
	switch op {
	case Catch, Throw, Rethrow, Br, BrIf, Call, ReturnCall, CallRef, ReturnCallRef, Delegate,
		LocalGet, LocalSet, LocalTee, GlobalGet, GlobalSet, 0x25, 0x26, // table.get, table.set
		MemorySize, MemoryGrow, RefFunc, BrOnNull, BrOnNonNull:
		return true
	}
	return false
}

// isPlain says whether the instruction has no immediates.
func (op Op) isPlain() bool {
	switch op {
	case Unreachable, 0x01, 0x05, ThrowRef, End, Return, CatchAll, 0x1a, Select, 0xd1, 0xd3, 0xd4: // nop, else, drop, ref.is_null, ref.eq, ref.as_non_null
		return true
	}
	return 0x45 <= op && op <= 0xc4
}

// prefixed reads the instructions whose opcode is a prefix and a number.
func (r *Reader) prefixed(in *Instruction) {
	number := r.U32()
	prefix := in.Op
	switch in.Op = prefix<<8 | Op(number); {
	case number > 0xffff:
		r.Fail(fmt.Errorf("unknown instruction %#02x %#x", byte(prefix), number))
	case number > 0xff:
		in.Op = prefix<<16 | Op(number)
	}
	switch prefix {
	case prefixGC, prefixThreads:
		r.Rest()
	case prefixMisc:
		switch number {
		case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
			in.Index = r.U32()
			r.U32()
		case 9, 11, 13, 15, 16, 17: // data.drop, memory.fill, elem.drop, table.grow, table.size, table.fill
			in.Index = r.U32()
		}
	case prefixSIMD:
		switch {
		case number <= 11, number == 92, number == 93: // loads and stores
			r.memArg()
		case number == 12, number == 13: // v128.const, i8x16.shuffle
			r.Take(16)
		case 21 <= number && number <= 34: // lanes
			r.Byte()
		case 84 <= number && number <= 91: // loads and stores of lanes
			r.memArg()
			r.Byte()
		}
	}
}

func (r *Reader) memArg() {
	const otherMemory = 1 << 6
	if flags := r.U32(); flags&otherMemory != 0 {
		r.U32()
	}
	r.U64()
}

func (r *Reader) clause() CatchClause {
	c := CatchClause{Kind: CatchKind(r.Byte())}
	switch c.Kind {
	case CatchTag, CatchTagRef:
		c.Tag = r.U32()
	case CatchAny, CatchAnyRef:
	default:
		r.Fail(fmt.Errorf("unknown catch clause %#02x", byte(c.Kind)))
	}
	c.Label = r.U32()
	return c
}
