// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// offering is a module with functions to choose from: they tell by the exit code
// who ran, and whether _initialize had run before.
func offering(names ...string) []byte {
	var m enginetest.Module
	for i, name := range names {
		f := enginetest.Func{Name: name, Results: []byte{enginetest.I32}}
		f.Body = slices.Concat(enginetest.Const(int32(i+1)), enginetest.Const(0), []byte{0x28, 2, 0, enginetest.I32Add}) // + what is at 0
		if name == initializeFunction {
			f.Results, f.Body = nil, slices.Concat(enginetest.Const(0), enginetest.Const(10), []byte{enginetest.I32Store, 2, 0})
		}
		m.Funcs = append(m.Funcs, f)
	}
	return m.Bytes()
}

func TestExports(t *testing.T) {
	for name, c := range map[string]struct {
		wasm   []byte
		export string
		want   uint32
	}{
		"of a library":      {offering("a", "b"), "b", 2},
		"of a reactor":      {offering("_initialize", "handle"), "handle", 12},
		"_start by name":    {enginetest.Exit(3), "_start", 3},
		"beside a _start":   {enginetest.Module{Funcs: []enginetest.Func{{Name: "_start", Body: []byte{0x00}}, {Name: "other"}}}.Bytes(), "other", 0},
		"_initialize alone": {offering("_initialize"), "_initialize", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Compile(t.Context(), c.wasm, dir); err != nil {
				t.Fatal(err)
			}
			m, err := Load(t.Context(), dir, 0, c.export)
			if err != nil {
				t.Fatal(err)
			}
			i, err := m.Prepare(t.Context(), wasi.Options{}, &httpcall.Outbound{})
			if err != nil {
				t.Fatal(err)
			}
			if code, err := i.Run(t.Context()); code != c.want || err != nil {
				t.Errorf("code %d, %v; want %d", code, err, c.want)
			}
		})
	}
}

func TestRefusedExports(t *testing.T) {
	odd := func(name string) []byte {
		return enginetest.Module{Funcs: []enginetest.Func{{Name: name, Params: []byte{enginetest.I64}}, {Name: "fine"}}}.Bytes()
	}
	for name, c := range map[string]struct {
		wasm         []byte
		export, want string
	}{
		"absent":       {offering("a", "b"), "c", `module has no function "c" to run; it exports a, b`},
		"of arguments": {odd("f"), "f", `module exports "f" as (i64), but what runs takes nothing and returns nothing or an i32, its exit code`},
		"initialize":   {odd("_initialize"), "fine", "module exports _initialize as (i64), but a reactor's takes and returns nothing"},
		"huge name":    {offering("a"), strings.Repeat("f", 10000), "module has no function"},
	} {
		t.Run(name, func(t *testing.T) {
			err := loadable(t, c.wasm, c.export)
			if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.Invalid || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 4<<10 {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}
