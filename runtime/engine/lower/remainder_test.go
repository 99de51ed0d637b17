// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// remainderModule exports f, which computes a remainder.
func remainderModule(code byte, op byte) []byte {
	body := sized([]byte{0, 0x20, 0, 0x20, 1, op, 0x0b})
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		enginetest.Section(byte(bytecode.Type), []byte{1, 0x60, 2, code, code, 1, code}),
		enginetest.Section(byte(bytecode.Function), []byte{1, 0}),
		enginetest.Section(byte(bytecode.Export), []byte("\x01\x01f\x00\x00")),
		enginetest.Section(byte(bytecode.Code), enginetest.Vector(body)))
}

// TestRemainders compares remainders with Go's for the numbers where something
// could go wrong.
func TestRemainders(t *testing.T) {
	edges := []int64{0, 1, -1, 2, -2, 3, 7, -7, 100, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, math.MinInt32 + 1, math.MinInt64 + 1}
	for name, c := range map[string]struct {
		code, op byte
		want     func(a, b int64) uint64
	}{
		"i32.rem_s": {enginetest.I32, 0x6f, func(a, b int64) uint64 { return uint64(uint32(int32(a) % int32(b))) }},
		"i32.rem_u": {enginetest.I32, 0x70, func(a, b int64) uint64 { return uint64(uint32(a) % uint32(b)) }},
		"i64.rem_s": {bytecode.I64, 0x81, func(a, b int64) uint64 { return uint64(a % b) }},
		"i64.rem_u": {bytecode.I64, 0x82, func(a, b int64) uint64 { return uint64(a) % uint64(b) }},
	} {
		t.Run(name, func(t *testing.T) {
			lowered, err := Module(remainderModule(c.code, c.op), Options{Remainders: true})
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(lowered, c.op) {
				t.Errorf("% x still has the instruction %#x", lowered, c.op)
			}
			ctx := context.Background()
			rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
			defer rt.Close(ctx)
			instance, err := rt.Instantiate(ctx, lowered)
			if err != nil {
				t.Fatal(err)
			}
			f := instance.ExportedFunction("f")
			for _, a := range edges {
				for _, b := range edges {
					args := []uint64{uint64(a), uint64(b)}
					if c.code == enginetest.I32 {
						args = []uint64{uint64(uint32(a)), uint64(uint32(b))}
					}
					results, err := f.Call(ctx, args...)
					if args[1] == 0 {
						if err == nil || !strings.Contains(err.Error(), "integer divide by zero") {
							t.Errorf("%d by %d: %v, %v", a, b, results, err)
						}
						continue
					}
					if err != nil || results[0] != c.want(a, b) {
						t.Errorf("%d by %d: %v, %v; want %d", a, b, results, err, c.want(a, b))
					}
				}
			}
		})
	}
}
