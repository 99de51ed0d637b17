// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// statement writes code that leaves the stack as it was.
func (g *generator) statement(depth int) {
	if depth == 0 {
		g.op(0x20, g.local())
		g.note()
		return
	}
	switch g.choose(14) {
	case 0:
		g.expression(2)
		g.note()
	case 1, 2:
		g.expression(2)
		g.op(0x21, g.local())
	case 3:
		g.expression(1)
		g.open(bytecode.If, labelEmpty, bytecode.Empty)
		g.statements(depth - 1)
		g.op(0x05) // else
		g.statements(depth - 1)
		g.close()
	case 4:
		g.open(bytecode.Block, labelEmpty, bytecode.Empty)
		g.statements(depth - 1)
		g.close()
	case 5:
		g.open(bytecode.Loop, labelEmpty, bytecode.Empty)
		g.burn()
		g.statements(depth - 1)
		g.close()
	case 6:
		g.branch()
	case 7:
		g.throw()
	case 8, 9, 10:
		g.try(depth - 1)
	case 11:
		g.op(0x20, exnLocal, 0x0a) // throw_ref
	case 12:
		g.expression(1)
		g.op(0x12, byte(g.choose(genFuncs))) // return_call
	case 13:
		g.expression(1)
		g.op(0x0f)
	}
}

// branch branches somewhere, mostly under a condition.
func (g *generator) branch() {
	label, found := g.label(labelEmpty)
	switch n := g.choose(4); {
	case !found:
		into, _ := g.label(labelInt)
		g.expression(1)
		g.expression(1)
		g.op(0x0d, into, 0x1a) // br_if, drop
	case n == 0:
		g.op(0x0c, label)
	case n == 1:
		other, _ := g.label(labelEmpty)
		g.expression(1)
		g.op(0x0e, 1, label, other) // br_table
	default:
		g.expression(1)
		g.op(0x0d, label)
	}
}

// throw throws one of the tags, under a condition.
func (g *generator) throw() {
	tag := g.choose(len(genTags))
	g.expression(1)
	g.open(bytecode.If, labelEmpty, bytecode.Empty)
	for _, t := range genTags[tag] {
		g.expression(1)
		g.op(fromInt[t]...)
	}
	g.op(0x08, byte(tag))
	g.close()
}

// fromInt and toInt convert what tags carry.
var (
	fromInt = map[byte][]byte{bytecode.F64: {0xb7}, bytecode.I64: {0xac, 0x42, 0x80, 0x80, 0x80, 0x80, 0x10, 0x84}} // also some of the upper bits
	toInt   = map[byte][]byte{bytecode.F64: {0xfc, 0x02}, bytecode.I64: {0x42, 0x20, 0x88, 0xa7}}
)

// try writes a try_table with clauses that go out of enclosing blocks, and at
// most one that gets something.
func (g *generator) try(depth int) {
	switch g.choose(4) {
	case 0: // catch a payload
		tag := 1 + g.choose(len(genTags)-1)
		carried := genTags[tag][0]
		g.open(bytecode.Block, labelOther, carried)
		g.tryTable(depth, 0x00, byte(tag), 0)
		g.op(map[byte][]byte{enginetest.I32: {0x41, 5}, bytecode.I64: {0x42, 6}, bytecode.F64: append([]byte{0x44}, make([]byte, 8)...)}[carried]...)
		g.close()
		g.op(toInt[carried]...)
		g.op(0x22, g.local())
		g.note()
	case 1: // catch a payload and the exception
		g.open(bytecode.Block, labelEmpty, bytecode.Empty)
		g.open(bytecode.Block, labelOther, typeCaught)
		g.tryTable(depth, 0x01, 1, 0)
		g.op(0x0c, 1)
		g.close()
		g.op(0x21, exnLocal)
		g.note()
		g.close()
	case 2: // catch everything as an exception
		g.open(bytecode.Block, labelOther, bytecode.ExnRef)
		g.tryTable(depth, 0x03, 0)
		g.op(0xd0, bytecode.ExnRef) // ref.null exn
		g.close()
		g.op(0x21, exnLocal)
		g.op(0x41, 7)
		g.note()
	default:
		g.tryTable(depth)
	}
}

// tryTable writes a try_table with the clause, if any, and others that carry
// nothing.
func (g *generator) tryTable(depth int, clause ...byte) {
	var clauses []byte
	count := byte(0)
	more := func() {
		label, found := g.label(labelEmpty)
		if !found {
			return
		}
		count++
		if g.choose(2) == 0 {
			clauses = append(clauses, 0x00, 0, label)
		} else {
			clauses = append(clauses, 0x02, label)
		}
	}
	if g.choose(4) == 0 {
		more()
	}
	if len(clause) > 0 {
		clauses = append(clauses, clause...)
		count++
	}
	for range g.choose(3) {
		more()
	}
	g.open(bytecode.TryTable, labelEmpty, append([]byte{bytecode.Empty, count}, clauses...)...)
	g.statements(depth)
	g.close()
}

// tryExpression is a try_table that takes an i32 and returns one.
func (g *generator) tryExpression(depth int) {
	g.open(bytecode.Block, labelInt, enginetest.I32)
	g.expression(depth)
	g.open(bytecode.TryTable, labelInt, typeBlock, 1, 0x00, 1, 0)
	g.op(0x21, g.local())
	g.statements(min(depth, 2))
	g.expression(depth)
	g.close()
	g.close()
}
