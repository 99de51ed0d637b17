// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// exceptional rewrites what has to do with exceptions, and copies the rest.
func (f *function) exceptional(in *bytecode.Instruction) error {
	switch in.Op {
	case bytecode.TryTable:
		return f.tryTable(in)
	case bytecode.Throw:
		return f.throw(in.Index)
	case bytecode.ThrowRef:
		return f.throwRef()
	case bytecode.Call:
		f.out = append(f.out, in.Raw...)
		if int(in.Index) >= len(f.throws) {
			return fmt.Errorf("there is no function %d", in.Index)
		}
		if f.throws[in.Index] {
			f.check()
		}
	case bytecode.CallIndirect, bytecode.CallRef:
		f.out = append(f.out, in.Raw...)
		f.check()
	case bytecode.SelectTyped:
		f.out = append(f.out, byte(in.Op), 1)
		f.out = lowerType(in.Type).Append(f.out)
	default:
		f.out = appendConst(f.out, in)
	}
	return nil
}

// check follows a call: when it has thrown, go where the exception goes.
func (f *function) check() {
	f.op(bytecode.GlobalGet, f.pending)
	f.raise(bytecode.BrIf)
}

// raise branches to the innermost try_table around, or out of the function.
func (f *function) raise(branch bytecode.Op) {
	f.op(branch, uint32(f.depth-f.tries[len(f.tries)-1]))
}

// tryTable becomes two blocks. The outer one is the try_table itself, with its
// type and its label; the inner one is what an exception jumps out of, to the
// code that looks for a clause:
//
//	block $try (type of the try_table)
//	  block $dispatch (its parameters)
//	    …
//	    br $try
//	  end
//	  …
//	end
func (f *function) tryTable(in *bytecode.Instruction) error {
	if len(in.Clauses) == 0 {
		f.block(bytecode.Block, f.lowerBlock(in.Block))
		f.open = append(f.open, frame{label: f.depth})
		return nil
	}
	var params []bytecode.ValueType
	if in.Block.Index >= 0 {
		t, err := f.typeAt(in.Block.Index)
		if err != nil {
			return err
		}
		params = t.Params
	}
	f.block(bytecode.Block, f.lowerBlock(in.Block))
	f.open = append(f.open, frame{label: f.depth, try: true, clauses: append([]bytecode.CatchClause(nil), in.Clauses...)})
	f.block(bytecode.Block, f.blockTaking(params))
	f.tries = append(f.tries, f.depth)
	return nil
}

// endTry ends a try_table and looks for the clause that catches the pending
// exception, in order.
func (f *function) endTry(t frame) error {
	f.op(bytecode.Br, uint32(f.depth-t.label))
	f.end()
	f.tries = f.tries[:len(f.tries)-1]
	for _, clause := range t.clauses {
		if clause.Kind == bytecode.CatchAny || clause.Kind == bytecode.CatchAnyRef {
			if err := f.caught(clause); err != nil {
				return err
			}
			f.end()
			return nil
		}
		f.op(bytecode.GlobalGet, f.pending)
		f.constant(bytecode.I32Const, int64(clause.Tag)+1)
		f.op(i32Eq)
		f.block(bytecode.If, f.blockTaking(nil))
		if err := f.caught(clause); err != nil {
			return err
		}
		f.end()
	}
	if len(f.tries) == 0 {
		f.op(bytecode.Unreachable) // no exception leaves this function
	} else {
		f.raise(bytecode.Br)
	}
	f.end()
	return nil
}

// caught ends the exception and jumps to the clause's label with what the
// clause pushes.
func (f *function) caught(clause bytecode.CatchClause) error {
	if len(f.out) > f.room {
		return errTooLarge
	}
	if clause.Kind == bytecode.CatchTag || clause.Kind == bytecode.CatchTagRef {
		if err := f.pushPayload(clause.Tag); err != nil {
			return err
		}
	}
	if clause.Kind == bytecode.CatchTagRef || clause.Kind == bytecode.CatchAnyRef {
		if err := f.pushException(); err != nil {
			return err
		}
	}
	f.constant(bytecode.I32Const, 0)
	f.op(bytecode.GlobalSet, f.pending)
	return f.branch(bytecode.Br, clause.Label)
}
