// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// Types of a shape's module: those of f, of the others, and of the tags.
const (
	shapeMain  = iota // () -> i32
	shapeOther        // () -> ()
	shapeI32          // (i32) -> (); tags of these types follow: 0 is shapeOther
	shapeF32
	shapeI64
	shapeF64
	shapeV128
	shapePair   // (i32, i32) -> ()
	shapeCaught // () -> (i32, exnref)
	shapeInts   // () -> (i32, i32)
)

var shapeTypes = [][]byte{
	{0x60, 0, 1, 0x7f}, {0x60, 0, 0}, {0x60, 1, 0x7f, 0}, {0x60, 1, 0x7d, 0}, {0x60, 1, 0x7e, 0}, {0x60, 1, 0x7c, 0},
	{0x60, 1, 0x7b, 0}, {0x60, 2, 0x7f, 0x7f, 0}, {0x60, 0, 2, 0x7f, 0x69}, {0x60, 0, 2, 0x7f, 0x7f},
}

// Tags of a shape's module by their indexes, in the order of their types.
const (
	tagEmpty = iota
	tagI32
	tagF32
	tagI64
	tagF64
	tagOther
	tagV128
	tagPair
)

// shape is a module of a function f, whose first local is an i32 and whose
// second one an exception, and others. Function 1 throws tag 0, function 2
// does nothing.
func shape(f []byte, others ...[]byte) []byte { return tagged(tagPair+1, f, others...) }

// tagged is a shape with the first few of the tags.
func tagged(tags int, f []byte, others ...[]byte) []byte {
	bodies := append([][]byte{append([]byte{2, 1, 0x7f, 1, 0x69}, f...), {0, 0x08, tagEmpty}, {0}}, others...)
	funcs, code := [][]byte{}, [][]byte{}
	for i, body := range bodies {
		funcs = append(funcs, []byte{byte(min(i, shapeOther))})
		code = append(code, sized(append(body, 0x0b)))
	}
	all := [][]byte{{0, shapeOther}, {0, shapeI32}, {0, shapeF32}, {0, shapeI64}, {0, shapeF64}, {0, shapeOther}, {0, shapeV128}, {0, shapePair}}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		enginetest.Section(byte(bytecode.Type), enginetest.Vector(shapeTypes...)),
		enginetest.Section(byte(bytecode.Function), enginetest.Vector(funcs...)),
		enginetest.Section(byte(bytecode.Tag), enginetest.Vector(all[:tags]...)),
		enginetest.Section(byte(bytecode.Export), []byte("\x01\x01f\x00\x00")),
		enginetest.Section(byte(bytecode.Code), enginetest.Vector(code...)))
}

const uncaught = -1

// shapes are the ones that wazero 1.12.0's compiler gets wrong, and those that
// random modules hardly ever have. f returns want, or an exception leaves it.
var shapes = map[string]struct {
	wasm []byte
	want int
}{
	// What wazero gets wrong.
	"local set before a call":      {shape([]byte{0x41, 1, 0x21, 0, 0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x41, 7, 0x21, 0, 0x10, 1, 0x0b, 0x0b, 0x20, 0}), 7},
	"local set before a throw":     {shape([]byte{0x41, 1, 0x21, 0, 0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x41, 7, 0x21, 0, 0x08, 0, 0x0b, 0x0b, 0x20, 0}), 7},
	"local teed in a nested block": {shape([]byte{0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x02, 0x40, 0x10, 2, 0x41, 7, 0x22, 0, 0x1a, 0x10, 1, 0x0b, 0x0b, 0x0b, 0x20, 0}), 7},
	"local set in an inner try":    {shape([]byte{0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x1f, 0x40, 1, 0, tagOther, 1, 0x41, 7, 0x21, 0, 0x10, 1, 0x0b, 0x0b, 0x0b, 0x20, 0}), 7},
	"branch to the try itself":     {shape([]byte{0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0c, 0, 0x0b, 0x10, 1, 0x0b, 0x41, 5}), uncaught},
	"branch under a condition":     {shape([]byte{0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x41, 1, 0x0d, 0, 0x0b, 0x10, 1, 0x0b, 0x41, 5}), uncaught},
	"no clauses":                   {shape([]byte{0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x1f, 0x40, 0, 0x0b, 0x10, 1, 0x0b, 0x41, 3, 0x0f, 0x0b, 0x41, 9}), 9},
	"clause beyond an outer try":   {shape([]byte{0x02, 0x40, 0x02, 0x40, 0x1f, 0x40, 1, 0, tagOther, 1, 0x1f, 0x40, 1, 0, 0, 1, 0x10, 1, 0x0b, 0x0b, 0x41, 3, 0x0f, 0x0b, 0x08, tagOther, 0x0b, 0x41, 9}), uncaught},

	// A function that throws only through a tail call.
	"tail call": {shape([]byte{0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x10, 3, 0x0b, 0x41, 3, 0x0f, 0x0b, 0x41, 9}, []byte{0, 0x12, 1}), 9},
	// A tail call leaves the try_table around it.
	"tail call in a try":                {shape([]byte{0x10, 3, 0x41, 1}, []byte{0, 0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x12, 1, 0x0b, 0x0b}), uncaught},
	"another tag":                       {shape([]byte{0x02, 0x40, 0x1f, 0x40, 1, 0, tagOther, 0, 0x10, 1, 0x0b, 0x0b, 0x41, 9}), uncaught},
	"first clause wins":                 {shape([]byte{0x02, 0x40, 0x02, 0x40, 0x1f, 0x40, 3, 0, tagOther, 0, 0, 0, 1, 2, 0, 0x10, 1, 0x0b, 0x0b, 0x41, 1, 0x0f, 0x0b, 0x41, 2}), 2},
	"clause to the end of the function": {shape([]byte{0x41, 9, 0x1f, 0x40, 1, 0, tagI32, 0, 0x41, 8, 0x08, tagI32, 0x0b}), 8},

	// Payloads.
	"f32":  {shape([]byte{0x02, 0x7d, 0x1f, 0x40, 1, 0, tagF32, 0, 0x43, 0, 0, 0xb8, 0x41, 0x08, tagF32, 0x0b, 0x00, 0x0b, 0xa8}), 23},
	"v128": {shape([]byte{0x02, 0x7b, 0x1f, 0x40, 1, 0, tagV128, 0, 0x41, 23, 0xfd, 0x11, 0x08, tagV128, 0x0b, 0x00, 0x0b, 0xfd, 0x1b, 3}), 23},
	"pair": {shape([]byte{0x02, shapeInts, 0x1f, 0x40, 1, 0, tagPair, 0, 0x41, 30, 0x41, 7, 0x08, tagPair, 0x0b, 0x00, 0x0b, 0x6b}), 23},

	// Exceptions that are thrown again: caught with their payload as an i32.
	"i32 again": {again(0x41, 23, 0x08, tagI32), 23},
	"f32 again": {again(0x43, 0, 0, 0xb8, 0x41, 0x08, tagF32), 23},
	"i64 again": {again(0x42, 23, 0x42, 32, 0x86, 0x08, tagI64), 23},
	"f64 again": {again(0x44, 0, 0, 0, 0, 0, 0, 0x37, 0x40, 0x08, tagF64), 23},
	"exception and payload": {tagged(tagOther+1, []byte{
		0x02, shapeCaught, 0x1f, 0x40, 1, 1, tagI32, 0, 0x41, 23, 0x08, tagI32, 0x0b, 0x00, 0x0b, 0x1a, // drop the exception
	}), 23},
}

// again is a shape that throws, catches everything, throws something else,
// catches that too, throws the first again and returns its payload.
func again(throw ...byte) []byte {
	return tagged(tagOther+1, slices.Concat(
		[]byte{0x02, 0x7f, 0x02, 0x7c, 0x02, 0x7e, 0x02, 0x7d},
		[]byte{0x1f, 0x40, 4, 0, tagF32, 0, 0, tagI64, 1, 0, tagF64, 2, 0, tagI32, 3},
		[]byte{0x02, 0x69, 0x1f, 0x40, 1, 3, 0}, throw, []byte{0x0b, 0x00, 0x0b, 0x21, 1},
		[]byte{0x02, 0x7f, 0x1f, 0x40, 1, 0, tagI32, 0, 0x41, 1, 0x08, tagI32, 0x0b, 0x00, 0x0b, 0x1a},
		[]byte{0x20, 1, 0x0a, 0x0b, 0x00},
		[]byte{0x0b, 0xa8, 0x0f},                 // f32
		[]byte{0x0b, 0x42, 32, 0x88, 0xa7, 0x0f}, // i64: its upper half
		[]byte{0x0b, 0xaa, 0x0f},                 // f64
		[]byte{0x0b},                             // i32
	))
}

func TestShapes(t *testing.T) {
	for name, c := range shapes {
		t.Run(name, func(t *testing.T) {
			lowered, err := Module(c.wasm, Options{Exceptions: true})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features))
			defer rt.Close(ctx)
			instance, err := rt.Instantiate(ctx, lowered)
			if err != nil {
				t.Fatal(err)
			}
			results, err := instance.ExportedFunction("f").Call(ctx)
			if err != nil {
				t.Fatal(err)
			}
			got := int(results[0])
			if instance.ExportedGlobal(Uncaught).Get() != 0 {
				got = uncaught
			}
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// throwers is a module of functions of that type, () -> results, that throw.
func throwers(count int, results ...byte) []byte {
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		enginetest.Section(byte(bytecode.Type), enginetest.Vector([]byte{0x60, 0, 0}, append([]byte{0x60, 0}, results...))),
		enginetest.Section(byte(bytecode.Function), enginetest.Vector(slices.Repeat([][]byte{{1}}, count)...)),
		enginetest.Section(byte(bytecode.Tag), []byte{1, 0, 0}),
		enginetest.Section(byte(bytecode.Code), enginetest.Vector(slices.Repeat([][]byte{{4, 0, 0x08, 0, 0x0b}}, count)...)))
}

// TestUnsupported is what is refused rather than done wrong.
func TestUnsupported(t *testing.T) {
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"reference as payload": {slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
			enginetest.Section(byte(bytecode.Type), []byte{1, 0x60, 1, 0x70, 0}),
			enginetest.Section(byte(bytecode.Tag), []byte{1, 0, 0})), "tag 0 carries a reference"},
		"types in groups": {slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
			enginetest.Section(byte(bytecode.Type), []byte{1, 0x4e, 1, 0x60, 0, 0}),
			enginetest.Section(byte(bytecode.Tag), []byte{1, 0, 0})), "types come in groups"},
		"result that cannot be null":    {throwers(1, 1, 0x64, 0), "function 0: an exception may leave it, and its result cannot be null"},
		"many large results":            {throwers(200, sized(slices.Repeat([]byte{bytecode.V128}, 1000))...), "function 58: its code would become too large"},
		"payload too large to refer to": {shape([]byte{0x02, 0x69, 0x1f, 0x40, 1, 3, 0, 0x0b, 0x00, 0x0b, 0x1a, 0x41, 0}), "a tag carries more than one number"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Module(c.wasm, Options{Exceptions: true}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
