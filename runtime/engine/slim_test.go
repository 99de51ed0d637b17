// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
)

// calling is a command that calls the last of many functions through a table, by its
// place in it.
func calling(last enginetest.Func) []byte {
	m := enginetest.Command(enginetest.Const(999), []byte{enginetest.CallTable})
	own := len(m.Funcs) // the type of the next function has its index
	m.Funcs[own-1].Body = append(m.Funcs[own-1].Body, byte(own), 0)
	for i := range 1000 {
		f := enginetest.Func{}
		if i == 999 {
			f = last
		}
		m.Table = append(m.Table, len(m.Funcs))
		m.Funcs = append(m.Funcs, f)
	}
	return m.Bytes()
}

// TestAWorkerHoldsNoMoreOfAModuleThanItNeeds is what notices when wazero keeps a module
// otherwise than it is looked for, and that nothing of what was dropped is missed: not by
// calls through tables, nor by the stack of a trap.
func TestAWorkerHoldsNoMoreOfAModuleThanItNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		last enginetest.Func
		code uint32
		trap string // the innermost frame
	}{
		"ends":  {last: enginetest.Func{Name: "last", Body: slices.Concat(enginetest.Const(7), enginetest.CallTo(0))}, code: 7},
		"traps": {last: enginetest.Func{Name: "last", Body: []byte{enginetest.Unreachable}}, trap: "    at last()\n    at _start()"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Compile(t.Context(), calling(c.last), dir); err != nil {
				t.Fatal(err)
			}
			m, err := Load(t.Context(), dir, 0, "")
			if err != nil {
				t.Fatal(err)
			}
			defer m.runtime.Close(t.Context())
			i, err := m.Prepare(t.Context(), wasi.Options{}, &httpcall.Outbound{})
			if err != nil {
				t.Fatal(err)
			}
			for section, want := range map[string]int{"FunctionDefinitionSection": 0, "CodeSection": 1001, "ElementSection": 1} {
				if s, _, ok := sectionOf(m.compiled, section); !ok || s.len != want {
					t.Errorf("%s: %v, %v; want %d", section, s, ok, want)
				}
			}
			code, err := i.Run(t.Context())
			if trap, ok := errors.AsType[*Trap](err); code != c.code || ok != (c.trap != "") || ok && trap.Stack != c.trap {
				t.Errorf("code %d, %v", code, err)
			}
			if s, _, ok := sectionOf(m.compiled, "ElementSection"); !ok || s.len != 0 {
				t.Errorf("what the table began with stays: %v, %v", s, ok)
			}
			if _, _, ok := sectionOf(m.compiled, "Nowhere"); ok {
				t.Error("found what there is not")
			}
		})
	}
}

// TestAProgramsTablesAreFilledForEachRun.
func TestAProgramsTablesAreFilledForEachRun(t *testing.T) {
	dir := t.TempDir()
	if _, err := Compile(t.Context(), calling(enginetest.Func{Body: slices.Concat(enginetest.Const(7), enginetest.CallTo(0))}), dir); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer m.runtime.Close(t.Context())
	p, err := m.PrepareProgram(t.Context(), NewCollector(), &httpcall.Outbound{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		g, err := p.Guest(wasi.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if code, err := g.Run(t.Context()); code != 7 || err != nil {
			t.Errorf("code %d, %v", code, err)
		}
	}
}

func TestFaces(t *testing.T) {
	const text = "\x00asm\x01\x00\x00\x00"
	several := enginetest.Module{Funcs: []enginetest.Func{
		{Module: "m", Name: "f\x01", Params: []byte{enginetest.I64}},
		{Name: "_start"},
		{Name: "value", Params: []byte{0x7d}, Results: []byte{enginetest.I32}, Body: enginetest.Const(1)},
	}}.Bytes()
	for name, c := range map[string]struct {
		wasm, says string
	}{
		"several":       {string(several), `m "f\x01" (i64); value (f32) -> i32`},
		"no functions":  {text, ""},
		"cut off":       {string(several[:30]), "cut off"},
		"no type":       {text + "\x03\x02\x01\x05" + "\x07\x09\x01\x05value\x00\x00", "of no type"},
		"no function":   {text + "\x07\x09\x01\x05value\x00\x09", "of no type"},
		"a memory":      {text + "\x02\x0a\x01\x01m\x03mem\x02\x00\x01", "more than functions"},
		"another type":  {text + "\x01\x02\x01\x5f", "of no function"},
		"a group":       {text + "\x01\x09\x01\x4e\x02\x60\x00\x00\x60\x00\x00" + "\x02\x07\x01\x01m\x01f\x00\x01", `m "f" ()`},
		"exported host": {text + "\x01\x04\x01\x60\x00\x00" + "\x02\x07\x01\x01m\x01f\x00\x00" + "\x07\x09\x01\x05value\x00\x00", `m "f" (); value ()`},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := faceOf([]byte(c.wasm), "value")
			var said []string
			for _, fn := range f.imported {
				said = append(said, fmt.Sprintf("%s %q %s", fn.from, fn.name, signature(fn)))
			}
			for name, fn := range f.exported {
				said = append(said, name+" "+signature(fn))
			}
			got := strings.Join(said, "; ")
			if err != nil {
				got = err.Error()
			}
			if got != c.says && (err == nil || !strings.Contains(got, c.says)) {
				t.Errorf("got  %s\nwant %s", got, c.says)
			}
		})
	}
}

// FuzzFace: whatever the bytes, they are refused or each function has a type.
func FuzzFace(f *testing.F) {
	f.Add(enginetest.Exit(3))
	f.Add(offering("a", "value"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if len(wasm) < bytecode.PreambleLen {
			return
		}
		found, err := faceOf(wasm, "value")
		if err != nil {
			return
		}
		for _, fn := range found.imported {
			if !strings.HasPrefix(signature(fn), "(") {
				t.Errorf("%q is %s", fn.name, signature(fn))
			}
		}
		if len(found.exported) > 1 {
			t.Errorf("exports %v", found.exported)
		}
	})
}
