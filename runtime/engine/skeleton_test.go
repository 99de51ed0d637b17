// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/wasi"
)

// reading is a command with data that ends with what is at an address of its
// memory, having written over it.
func reading(at int32, sections ...byte) []byte {
	exit := enginetest.Func{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: []byte{enginetest.I32}}
	start := enginetest.Func{Name: "_start", Body: slices.Concat(
		enginetest.Const(at), []byte{0x2d, 0, 0}, // i32.load8_u
		enginetest.Const(at), enginetest.Const(7), []byte{0x3a, 0, 0}, // i32.store8
		enginetest.CallTo(0))}
	return enginetest.Module{Funcs: []enginetest.Func{exit, start}, NoNames: true, Extra: sections}.Bytes()
}

// data is a data section.
func data(segments ...[]byte) []byte { return enginetest.Section(11, enginetest.Vector(segments...)) }

// at is a segment for an address.
func at(address int32, text string) []byte {
	return slices.Concat([]byte{0}, enginetest.Const(address), []byte{enginetest.End, byte(len(text))}, []byte(text))
}

// TestData: whether its data became an image or not, a guest finds it where it
// belongs, and each instance finds it anew.
func TestData(t *testing.T) {
	passive := slices.Concat([]byte{1, 1}, []byte("p"))
	for name, c := range map[string]struct {
		wasm  []byte
		want  uint32
		image int64 // its size; -1 for none
	}{
		"one piece":          {reading(4097, data(at(4096, "ab"))...), 'b', 4098},
		"between pieces":     {reading(5000, data(at(8192, "cd"), at(1, "ab"))...), 0, 8194},
		"behind them":        {reading(8194, data(at(8192, "cd"))...), 0, 8194},
		"one over another":   {reading(2, data(at(1, "abc"), at(2, "x"))...), 'x', 4},
		"memory's last byte": {reading(65535, data(at(65535, "z"))...), 'z', 65536},
		"in memory 0":        {reading(3, data(slices.Concat([]byte{2, 0}, at(3, "m")[1:]))...), 'm', 4},
		"passive beside it":  {reading(3, data(at(3, "m"), passive)...), 'm', -1},
		"no data":            {reading(3), 0, -1},
		"nothing in it":      {reading(3, data(at(3, ""))...), 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Compile(t.Context(), c.wasm, dir); err != nil {
				t.Fatal(err)
			}
			size := int64(-1)
			if st, err := os.Stat(filepath.Join(dir, imageFile)); err == nil {
				size = st.Size()
			}
			if size != c.image {
				t.Errorf("the image has %d bytes, want %d", size, c.image)
			}
			m, err := Load(t.Context(), dir, 0, "")
			if err != nil {
				t.Fatal(err)
			}
			p, err := m.PrepareProgram(t.Context(), NewCollector(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				g, err := p.Guest(wasi.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if code, err := g.Run(t.Context()); code != c.want || err != nil {
					t.Errorf("found %d, %v, want %d", code, err, c.want)
				}
			}
			if err := m.runtime.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDataOutOfBounds: data that does not fit is a fault of the start, as without an
// image.
func TestDataOutOfBounds(t *testing.T) {
	dir := t.TempDir()
	if _, err := Compile(t.Context(), reading(3, data(at(65535, "xy"))...), dir); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer m.runtime.Close(t.Context())
	if code, err := m.run(t.Context(), false); err == nil {
		t.Errorf("it ran, and ended with %d", code)
	}
}

// TestSkeleton: what is kept of a module has no code and is not compiled again.
func TestSkeleton(t *testing.T) {
	wasm := enginetest.Module{
		Funcs: []enginetest.Func{
			{Name: "_start", Body: bytes.Repeat([]byte{enginetest.I32Const, 0, enginetest.Drop}, 1000)},
			{Name: "f", Params: []byte{enginetest.I64}, Results: []byte{enginetest.I32}, Locals: 3, Body: enginetest.Const(5)},
		},
		Data: []byte("text"), Extra: enginetest.Custom(".debug_info", make([]byte, 5000)),
	}.Bytes()
	dir := t.TempDir()
	info, err := Compile(t.Context(), wasm, dir)
	if err != nil {
		t.Fatal(err)
	}
	bones, err := os.ReadFile(filepath.Join(dir, moduleFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(bones) > 200 || bytes.Contains(bones, []byte("text")) || !bytes.Contains(bones, []byte("name")) {
		t.Errorf("the skeleton has %d bytes: %q", len(bones), bones)
	}
	before, err := os.Stat(filepath.Join(dir, info.Entry))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer m.runtime.Close(t.Context())
	if n, ok := nativeOf(m.compiled); !ok || len(*n.offsets) != 2 {
		t.Errorf("other machine code than was compiled")
	}
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(entries) != 1 {
		t.Errorf("entries %q, %v", entries, err)
	}
	after, err := os.Stat(filepath.Join(dir, info.Entry))
	if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the entry was written anew, %v", err)
	}
}

// FuzzSkeleton: whatever the bytes, a skeleton is refused or is made of sections.
func FuzzSkeleton(f *testing.F) {
	f.Add(reading(1, data(at(1, "abc"))...))
	f.Add(enginetest.Trap())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if len(wasm) < bytecode.PreambleLen {
			return
		}
		sections, err := bytecode.Sections(wasm)
		if err != nil {
			return
		}
		found, ok := pieces(sections, &outline{memories: []limits{{min: 1, own: true}}})
		for _, p := range found {
			if ok && p.at+uint64(len(p.data)) > pageSize {
				t.Errorf("data at %d to %d", p.at, p.at+uint64(len(p.data)))
			}
		}
		bones, err := skeleton(wasm, ok)
		if err != nil {
			return
		}
		if _, err := bytecode.Sections(bones); err != nil || len(bones) > 4*len(wasm)+100 {
			t.Errorf("%d bytes became %d: %v", len(wasm), len(bones), err)
		}
	})
}
