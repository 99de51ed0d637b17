// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"slices"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// A generated module has functions (i32) -> i32 that throw, catch, call each
// other and write down what they do in a global. Another global is fuel: it
// bounds what they do.
const (
	genFuncs   = 4
	genLocals  = 4 // i32, the parameter among them
	exnLocal   = genLocals
	trace      = 0 // global
	fuel       = 1 // global
	typeFunc   = 0 // (i32) -> i32; types of tags follow
	typeTag    = 1
	typeBlock  = typeTag + 4 // blocks that take an i32 and return one
	typeCaught = typeBlock + 1
	maxNesting = 6
)

// Payloads of the tags, by value type.
var genTags = [][]byte{{}, {enginetest.I32}, {bytecode.F64}, {bytecode.I64}}

// generator makes a module of any bytes, always a valid one.
type generator struct {
	choices []byte
	out     []byte
	labels  []labelKind // open blocks, the function first
}

type labelKind int

const (
	labelEmpty labelKind = iota // a branch to it takes nothing
	labelInt                    // an i32
	labelOther                  // something else: not branched to at random
)

// generate returns a module that exports f, trace and the fuel.
func generate(choices []byte) []byte {
	g := &generator{choices: choices}
	types := [][]byte{{0x60, 1, enginetest.I32, 1, enginetest.I32}}
	for _, payload := range genTags {
		types = append(types, slices.Concat([]byte{0x60}, sized(payload), []byte{0}))
	}
	types = append(types, []byte{0x60, 1, enginetest.I32, 1, enginetest.I32},
		[]byte{0x60, 0, 2, enginetest.I32, bytecode.ExnRef})
	var funcs, tags, code, elems [][]byte
	for i := range genFuncs {
		funcs = append(funcs, []byte{typeFunc})
		elems = append(elems, []byte{byte(i)})
		code = append(code, sized(g.function()))
	}
	for i := range genTags {
		tags = append(tags, []byte{0, byte(typeTag + i)})
	}
	counter := []byte{enginetest.I32, 1, byte(bytecode.I32Const), 0, byte(bytecode.End)}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		enginetest.Section(byte(bytecode.Type), enginetest.Vector(types...)),
		enginetest.Section(byte(bytecode.Function), enginetest.Vector(funcs...)),
		enginetest.Section(byte(bytecode.Table), []byte{1, bytecode.FuncRef, 0, genFuncs}),
		enginetest.Section(byte(bytecode.Tag), enginetest.Vector(tags...)),
		enginetest.Section(byte(bytecode.Global), enginetest.Vector(counter, counter)),
		enginetest.Section(byte(bytecode.Export), enginetest.Vector([]byte("\x01f\x00\x00"), []byte("\x05trace\x03\x00"), []byte("\x04fuel\x03\x01"), []byte("\x03tag\x04\x01"))),
		enginetest.Section(byte(bytecode.Element), slices.Concat([]byte{1, 0, byte(bytecode.I32Const), 0, byte(bytecode.End)}, enginetest.Vector(elems...))),
		enginetest.Section(byte(bytecode.Code), enginetest.Vector(code...)))
}

func sized(b []byte) []byte { return append(bytecode.AppendU32(nil, uint32(len(b))), b...) }

// choose picks one of n; 0 when there are no choices left.
func (g *generator) choose(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := int(g.choices[0])
	g.choices = g.choices[1:]
	return c % n
}

func (g *generator) op(b ...byte) { g.out = append(g.out, b...) }

func (g *generator) function() []byte {
	g.out = nil
	g.labels = append(g.labels[:0], labelInt)
	g.op(2, genLocals-1, enginetest.I32, 1, bytecode.ExnRef)
	g.burn()
	g.statements(maxNesting)
	g.expression(2)
	g.op(byte(bytecode.End))
	return g.out
}

// burn returns from the function when the fuel is gone.
func (g *generator) burn() {
	g.op(0x23, fuel, 0x41, 1, 0x6b, 0x24, fuel)                                   // fuel--
	g.op(0x23, fuel, 0x41, 0, 0x48, 0x04, bytecode.Empty, 0x41, 0x2a, 0x0f, 0x0b) // if fuel < 0 { return 42 }
}

// note mixes the number on the stack into the trace.
func (g *generator) note() { g.op(0x23, trace, 0x41, 31, 0x6c, 0x6a, 0x24, trace) }

func (g *generator) local() byte { return byte(g.choose(genLocals)) }

func (g *generator) statements(depth int) {
	for range 1 + g.choose(4) {
		g.statement(depth)
	}
}

func (g *generator) open(op bytecode.Op, kind labelKind, blockType ...byte) {
	g.op(append([]byte{byte(op)}, blockType...)...)
	g.labels = append(g.labels, kind)
}

func (g *generator) close() {
	g.op(byte(bytecode.End))
	g.labels = g.labels[:len(g.labels)-1]
}

// label picks an open block that a branch with nothing, or with an i32, may go
// to, counted from inside.
func (g *generator) label(kind labelKind) (byte, bool) {
	var fits []byte
	for i, k := range g.labels {
		if k == kind {
			fits = append(fits, byte(len(g.labels)-1-i))
		}
	}
	if len(fits) == 0 {
		return 0, false
	}
	return fits[g.choose(len(fits))], true
}

// expression leaves an i32 on the stack.
func (g *generator) expression(depth int) {
	switch n := g.choose(9); {
	case depth == 0 || n < 2:
		g.op(0x20, g.local())
	case n == 2:
		g.op(0x41, byte(g.choose(64)))
	case n < 6:
		binary := []byte{0x6a, 0x6b, 0x73, 0x6f, 0x70} // add, sub, xor, rem_s, rem_u
		g.expression(depth - 1)
		g.expression(depth - 1)
		g.op(binary[g.choose(len(binary))])
	case n == 6:
		g.expression(depth - 1)
		g.op(0x10, byte(g.choose(genFuncs)))
	case n == 7:
		g.expression(depth - 1)
		g.op(0x41, byte(g.choose(genFuncs)), 0x11, typeFunc, 0) // call_indirect
	default:
		g.tryExpression(depth - 1)
	}
}
