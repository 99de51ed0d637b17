// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"errors"
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// function rewrites one function's body at a time.
//
// Labels are the difficulty: the blocks that are put around the module's own
// shift them. So each block of the module remembers at which depth its label
// is in the new code, counted from the function's own, which is 0.
type function struct {
	*module
	body  *bytecode.Reader
	out   []byte
	depth int // of the new code's blocks
	open  []frame
	tries []int // depths of the dispatch blocks around, the innermost last

	params  int
	locals  []bytecode.Local
	scratch []bytecode.ValueType // locals added behind the module's
}

// frame is an open block of the module's.
type frame struct {
	label   int // depth that a branch to it goes to
	clauses []bytecode.CatchClause
	try     bool // a try_table that catches
}

// rewrite returns the new body of a function.
func (f *function) rewrite(index uint32, body *bytecode.Reader) ([]byte, error) {
	t, err := f.typeOf(index)
	if err != nil {
		return nil, err
	}
	f.body, f.out, f.depth, f.tries = body, f.out[:0], 0, f.tries[:0]
	f.open = append(f.open[:0], frame{})
	f.params, f.scratch = len(t.Params), nil
	f.locals = body.Locals()
	escape := f.options.Exceptions && f.throws[index]
	if escape {
		f.block(bytecode.Block, f.blockTaking(nil))
		f.tries = append(f.tries, f.depth)
	}
	var in bytecode.Instruction
	for len(f.open) > 0 && body.Err() == nil {
		body.Instruction(&in)
		if err := f.instruction(&in); err != nil {
			return nil, err
		}
		if len(f.out) > f.room {
			return nil, errTooLarge
		}
	}
	if body.More() {
		return nil, errors.New("there is code behind its end")
	}
	if escape {
		if err := f.escape(t.Results); err != nil {
			return nil, err
		}
	}
	return append(f.writeLocals(), append(f.out, byte(bytecode.End))...), body.Err()
}

// escape ends the function, and what an exception that leaves it jumps to: it
// returns, with results that nobody looks at.
func (f *function) escape(results []bytecode.ValueType) error {
	f.op(bytecode.Return)
	f.end()
	for _, t := range results {
		code := zero(lowerType(t))
		if code == nil {
			return errors.New("an exception may leave it, and its result cannot be null")
		}
		f.out = append(f.out, code...)
	}
	return nil
}

// instruction rewrites one instruction. Those that are no business of ours are
// copied.
func (f *function) instruction(in *bytecode.Instruction) error {
	switch in.Op {
	case bytecode.Block, bytecode.Loop, bytecode.If:
		f.block(in.Op, f.lowerBlock(in.Block))
		f.open = append(f.open, frame{label: f.depth})
	case bytecode.End:
		return f.endFrame()
	case bytecode.Br, bytecode.BrIf, bytecode.BrOnNull, bytecode.BrOnNonNull:
		return f.branch(in.Op, in.Index)
	case bytecode.BrTable:
		f.out = append(f.out, byte(in.Op))
		f.out = bytecode.AppendU32(f.out, uint32(len(in.Labels)-1))
		for _, label := range in.Labels {
			l, err := f.label(label)
			if err != nil {
				return err
			}
			f.out = bytecode.AppendU32(f.out, l)
		}
	default:
		if f.options.Remainders && f.remainder(in.Op) {
			return nil
		}
		if f.options.Exceptions {
			return f.exceptional(in)
		}
		f.out = append(f.out, in.Raw...)
	}
	return nil
}

// endFrame ends the innermost block of the module's.
func (f *function) endFrame() error {
	last := f.open[len(f.open)-1]
	f.open = f.open[:len(f.open)-1]
	if len(f.open) == 0 {
		return nil // the function itself: rewrite ends it
	}
	if last.try {
		return f.endTry(last)
	}
	f.end()
	return nil
}

// label translates a label of the module's, counted from where we are.
func (f *function) label(label uint32) (uint32, error) {
	if int64(label) >= int64(len(f.open)) {
		return 0, fmt.Errorf("there is no label %d", label)
	}
	return uint32(f.depth - f.open[len(f.open)-1-int(label)].label), nil
}

// branch writes a branch to a label of the module's.
func (f *function) branch(op bytecode.Op, label uint32) error {
	l, err := f.label(label)
	if err != nil {
		return err
	}
	f.op(op, l)
	return nil
}

// block opens a block.
func (f *function) block(op bytecode.Op, t bytecode.BlockType) {
	f.out = t.Append(append(f.out, byte(op)))
	f.depth++
}

// end closes a block.
func (f *function) end() {
	f.op(bytecode.End)
	f.depth--
}

// op writes an instruction of one byte and its immediates.
func (f *function) op(op bytecode.Op, immediates ...uint32) {
	f.out = append(f.out, byte(op))
	for _, i := range immediates {
		f.out = bytecode.AppendU32(f.out, i)
	}
}

// constant pushes an i32 or i64.
func (f *function) constant(op bytecode.Op, v int64) {
	f.out = bytecode.AppendSigned(append(f.out, byte(op)), v)
}

// lowerBlock is a block's type without exceptions.
func (f *function) lowerBlock(t bytecode.BlockType) bytecode.BlockType {
	t.Value = lowerType(t.Value)
	return t
}

// local is a new local of that type, the n-th of its type.
func (f *function) local(code byte, n int) uint32 {
	count := uint64(f.params)
	for _, group := range f.locals {
		count += uint64(group.Count)
	}
	for i, t := range f.scratch {
		if t.Code != code {
			continue
		}
		if n == 0 {
			return uint32(count) + uint32(i)
		}
		n--
	}
	f.scratch = append(f.scratch, bytecode.ValueType{Code: code})
	return uint32(count) + uint32(len(f.scratch)) - 1
}

// writeLocals writes the function's variables and the new ones.
func (f *function) writeLocals() []byte {
	b := bytecode.AppendU32(nil, uint32(len(f.locals)+len(f.scratch)))
	for _, group := range f.locals {
		t := group.Type
		if f.options.Exceptions {
			t = lowerType(t)
		}
		b = t.Append(bytecode.AppendU32(b, group.Count))
	}
	for _, t := range f.scratch {
		b = t.Append(bytecode.AppendU32(b, 1))
	}
	return b
}
