// SPDX-License-Identifier: Apache-2.0

package bytecode

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestInstructions has one instruction of every shape. Cut off anywhere, each
// is an error and no panic.
func TestInstructions(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		want Instruction
	}{
		"nop":              {[]byte{0x01}, Instruction{Op: 0x01}},
		"block":            {[]byte{0x02, 0x40}, Instruction{Op: Block, Block: BlockType{-1, ValueType{Code: Empty}}}},
		"loop of a type":   {[]byte{0x03, 0xe4, 0x00}, Instruction{Op: Loop, Block: BlockType{Index: 100}}},
		"if of a ref":      {[]byte{0x04, 0x63, 0x05}, Instruction{Op: If, Block: BlockType{-1, ValueType{RefNull, 5}}}},
		"br":               {[]byte{0x0c, 0x81, 0x01}, Instruction{Op: Br, Index: 129}},
		"br_table":         {[]byte{0x0e, 2, 4, 5, 6}, Instruction{Op: BrTable, Labels: []uint32{4, 5, 6}}},
		"call_indirect":    {[]byte{0x11, 7, 8}, Instruction{Op: CallIndirect, Index: 7}},
		"return_call":      {[]byte{0x12, 7}, Instruction{Op: ReturnCall, Index: 7}},
		"select of a type": {[]byte{0x1c, 1, 0x69}, Instruction{Op: SelectTyped, Type: ValueType{Code: ExnRef}}},
		"try_table": {[]byte{0x1f, 0x7f, 4, 0, 1, 2, 1, 3, 4, 2, 5, 3, 6}, Instruction{
			Op: TryTable, Block: BlockType{-1, ValueType{Code: I32}},
			Clauses: []CatchClause{{CatchTag, 1, 2}, {CatchTagRef, 3, 4}, {CatchAny, 0, 5}, {CatchAnyRef, 0, 6}},
		}},
		"local.get":            {[]byte{0x20, 3}, Instruction{Op: LocalGet, Index: 3}},
		"table.set":            {[]byte{0x26, 3}, Instruction{Op: 0x26, Index: 3}},
		"i32.load":             {[]byte{0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10}, Instruction{Op: 0x28}},
		"i32.load, memory":     {[]byte{0x28, 0x42, 1, 9}, Instruction{Op: 0x28}},
		"memory.size":          {[]byte{0x3f, 0}, Instruction{Op: MemorySize}},
		"i32.const":            {[]byte{0x41, 0x80, 0x80, 0x80, 0x80, 0x78}, Instruction{Op: I32Const}},
		"i64.const":            {[]byte{0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, Instruction{Op: I64Const}},
		"f32.const":            {[]byte{0x43, 0, 0, 0x80, 0x3f}, Instruction{Op: F32Const}},
		"f64.const":            {[]byte{0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, Instruction{Op: F64Const}},
		"i64.extend32_s":       {[]byte{0xc4}, Instruction{Op: 0xc4}},
		"ref.null":             {[]byte{0xd0, 0x69}, Instruction{Op: RefNullOp, Type: ValueType{RefNull, -0x17}}},
		"ref.null of a type":   {[]byte{0xd0, 0x03}, Instruction{Op: RefNullOp, Type: ValueType{RefNull, 3}}},
		"br_on_null":           {[]byte{0xd5, 1}, Instruction{Op: BrOnNull, Index: 1}},
		"memory.copy":          {[]byte{0xfc, 10, 0, 0}, Instruction{Op: 0xfc0a}},
		"memory.fill":          {[]byte{0xfc, 11, 0}, Instruction{Op: 0xfc0b}},
		"i32.trunc_sat":        {[]byte{0xfc, 0}, Instruction{Op: 0xfc00}},
		"v128.load":            {[]byte{0xfd, 0, 4, 16}, Instruction{Op: 0xfd00}},
		"v128.const":           {append([]byte{0xfd, 12}, make([]byte, 16)...), Instruction{Op: V128Const}},
		"extract_lane":         {[]byte{0xfd, 21, 3}, Instruction{Op: 0xfd15}},
		"load_lane":            {[]byte{0xfd, 84, 0, 0, 15}, Instruction{Op: 0xfd54}},
		"load_zero":            {[]byte{0xfd, 92, 2, 0}, Instruction{Op: 0xfd5c}},
		"i8x16.add":            {[]byte{0xfd, 0x6e}, Instruction{Op: 0xfd6e}},
		"f64x2.add, two bytes": {[]byte{0xfd, 0xf0, 0x01}, Instruction{Op: 0xfdf0}},
		"relaxed_swizzle":      {[]byte{0xfd, 0x80, 0x02}, Instruction{Op: 0xfd0100}},
	} {
		t.Run(name, func(t *testing.T) {
			var got Instruction
			r := NewReader(append(slices.Clone(c.code), 0x0b))
			r.Instruction(&got)
			if r.Err() != nil || !bytes.Equal(r.Rest(), []byte{0x0b}) || !bytes.Equal(got.Raw, c.code) {
				t.Fatalf("read % x: %v", got.Raw, r.Err())
			}
			if got.Op != c.want.Op || got.Index != c.want.Index || !slices.Equal(got.Labels, c.want.Labels) || !slices.Equal(got.Clauses, c.want.Clauses) {
				t.Errorf("got %+v", got)
			}
			if got.Block != c.want.Block || got.Type != c.want.Type {
				t.Errorf("types %+v and %+v", got.Block, got.Type)
			}
			for n := range c.code {
				cut := NewReader(c.code[:n])
				if cut.Instruction(&got); !errors.Is(cut.Err(), ErrTruncated) {
					t.Errorf("% x: %v", c.code[:n], cut.Err())
				}
			}
		})
	}
}

func TestUnknownInstructions(t *testing.T) {
	for want, code := range map[string][]byte{
		"unknown instruction 0xc7":         {0xc7},
		"unknown instruction 0xff":         {0xff},
		"unknown instruction 0xfd 0x10000": {0xfd, 0x80, 0x80, 0x04},
		"unknown catch clause 0x04":        {0x1f, 0x40, 1, 4, 0},
		"a number is too long":             {0x0c, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
	} {
		r := NewReader(code)
		if r.Instruction(&Instruction{}); r.Err() == nil || r.Err().Error() != want {
			t.Errorf("% x: %v, want %s", code, r.Err(), want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 63, 64, -64, -65, 127, 128, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		r := NewReader(AppendSigned(nil, n))
		if got := r.Signed(64); got != n || r.Err() != nil || r.More() {
			t.Errorf("%d became %d, %v", n, got, r.Err())
		}
		r = NewReader(AppendU32(nil, uint32(n)))
		if got := r.U32(); got != uint32(n) || r.Err() != nil || r.More() {
			t.Errorf("%d became %d, %v", uint32(n), got, r.Err())
		}
	}
}

func TestTypes(t *testing.T) {
	for encoded, want := range map[string]Extension{
		"\x7f": "", "\x70": "", "\x63\x70": "", "\x64\x05": "", "\x7b": "",
		"\x69": Exceptions, "\x74": Exceptions, "\x63\x69": Exceptions, "\x64\x74": Exceptions,
		"\x6e": GC, "\x64\x6d": GC, "\x71": GC,
		"\x68": StackSwitching, "\x63\x75": StackSwitching,
	} {
		r := NewReader([]byte(encoded))
		got := r.ValueType()
		if r.Err() != nil || got.Extension() != want || string(got.Append(nil)) != encoded || got.IsException() != (want == Exceptions) {
			t.Errorf("% x: %+v, %q, %v", encoded, got, got.Extension(), r.Err())
		}
	}
	const function = "\x60\x02\x7f\x63\x05\x01\x7e"
	r := NewReader([]byte(function)[1:])
	if got := string(r.FuncType().Append(nil)); got != function {
		t.Errorf("% x became % x", function, got)
	}
}

// FuzzBodies reads any bytes as a module's code: what is read is what was
// there, in order.
func FuzzBodies(f *testing.F) {
	f.Add([]byte{1, 6, 1, 1, 0x7f, 0x41, 0, 0x0b})
	f.Add([]byte{1, 9, 0, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b, 0xfd})
	f.Add([]byte{2, 2, 0, 0x0b, 4, 0, 0xfb, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, code []byte) {
		var in Instruction
		err := Bodies(code, func(body *Reader) error {
			body.Locals()
			for body.More() {
				start := body.Pos()
				body.Instruction(&in)
				if body.Err() == nil && (len(in.Raw) == 0 || body.Pos() != start+len(in.Raw)) {
					t.Errorf("%+v at %d ends at %d", in, start, body.Pos())
				}
			}
			return nil
		})
		if err != nil && strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}
