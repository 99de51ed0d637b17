// SPDX-License-Identifier: Apache-2.0

package lower

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesTypedFunctionReferences

// outcome is what a run of a generated module shows.
type outcome struct {
	result uint64
	end    string // how it ended: returned, uncaught or trapped
	trace  uint64
	burnt  uint64
}

func runGenerated(t testing.TB, config wazero.RuntimeConfig, wasm []byte) outcome {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer rt.Close(ctx)
	instance, err := rt.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	instance.ExportedGlobal("fuel").(api.MutableGlobal).Set(200)
	results, err := instance.ExportedFunction("f").Call(ctx, 3)
	o := outcome{end: "returned", trace: instance.ExportedGlobal("trace").Get(), burnt: instance.ExportedGlobal("fuel").Get()}
	pending := instance.ExportedGlobal(Uncaught)
	switch {
	case err != nil && strings.Contains(err.Error(), "uncaught exception"), err == nil && pending != nil && pending.Get() != 0:
		o.end = "uncaught"
	case err != nil:
		o.end = "trapped"
	default:
		o.result = results[0]
	}
	return o
}

// compare runs a generated module as it is on the interpreter, which knows
// exceptions, and lowered on the compiler, which does not.
func compare(t testing.TB, choices []byte) outcome {
	wasm := generate(choices)
	want := runGenerated(t, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features|experimental.CoreFeaturesExceptionHandling), wasm)
	lowered, err := Module(wasm, Options{Exceptions: true, Remainders: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := runGenerated(t, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features), lowered); got != want {
		t.Fatalf("lowered %+v, interpreted %+v", got, want)
	}
	return want
}

// TestGenerated compares many modules, and that there is something to compare.
func TestGenerated(t *testing.T) {
	ends := map[string]int{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		choices := make([]byte, 20+random.IntN(400))
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		ends[compare(t, choices).end]++
	}
	for _, end := range []string{"returned", "uncaught", "trapped"} {
		if ends[end] < 50 {
			t.Errorf("of 2000 modules, %d %s", ends[end], end)
		}
	}
}

func FuzzGenerated(f *testing.F) {
	f.Add([]byte{3, 8, 2, 0, 1, 1, 7, 1, 3, 1})
	f.Fuzz(func(t *testing.T, choices []byte) {
		if len(choices) > 1<<10 {
			return
		}
		compare(t, choices)
	})
}

// FuzzModule lowers what need not be a module at all.
func FuzzModule(f *testing.F) {
	f.Add(generate([]byte{1, 8, 3, 9, 9, 2, 7, 4})[8:])
	f.Add([]byte("\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0d\x03\x01\x00\x00\x0a\x0a\x01\x08\x00\x1f\x40\x01\x02\x00\x0b\x0b"))
	f.Fuzz(func(t *testing.T, sections []byte) {
		wasm := append([]byte("\x00asm\x01\x00\x00\x00"), sections...)
		for _, o := range []Options{{Exceptions: true}, {Remainders: true}, {true, true}} {
			if lowered, err := Module(wasm, o); err == nil && len(lowered) > (maxGrowth+1)*len(wasm)+1<<21 {
				t.Errorf("%d bytes became %d", len(wasm), len(lowered))
			}
		}
	})
}
