// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// absurd are modules that ask for more than any toolchain does, with what their owners read.
func absurd() map[string]struct {
	wasm []byte
	want string
} {
	type of = struct {
		wasm []byte
		want string
	}
	size := func(n uint32) []byte { return bytecode.AppendU32([]byte{0x70, 0}, n) } // of a table of functions
	entries := func(section byte, n int, entry ...byte) []byte {
		return bare(enginetest.Section(section, append(bytecode.AppendU32(nil, uint32(n)), bytes.Repeat(entry, n)...)))
	}
	name := strings.Repeat("n", 64<<10)
	var names []byte
	for i := range maxNames/len(name) + 1 {
		n := fmt.Sprintf("%s%05d", name, i)
		names = slices.Concat(names, []byte{0}, bytecode.AppendU32(nil, uint32(len(n))), []byte(n), []byte{0, 0}) // module "", a function
	}
	cases := map[string]of{
		"sections":      {bare(bytes.Repeat(enginetest.Section(0, []byte{0}), bytecode.MaxSections+1)), "it has more than the 10000 sections allowed"},
		"table":         {bare(enginetest.Section(4, append([]byte{1}, size(4_000_000_000)...))), "section 4: its tables begin with more than the 10000000 entries allowed"},
		"tables":        {bare(enginetest.Section(4, slices.Concat([]byte{3}, size(4_000_000), size(4_000_000), size(4_000_000)))), "section 4: its tables begin with more than the 10000000 entries allowed"},
		"table's value": {bare(enginetest.Section(4, slices.Concat([]byte{2, 0x40, 0}, size(9_000_000), []byte{0xd0, 0x70, 0x0b}, size(9_000_000)))), "section 4: its tables begin with more than the 10000000 entries allowed"},
		"many tables":   {entries(4, 101, 0x70, 0, 0), "section 4: it has 101 tables, more than the 100 allowed"},
		"data segments": {entries(11, 100_001, 1, 0), "section 11: it has 100001 data segments, more than the 100000 allowed"},
		"types":         {entries(1, 1_000_001, 0x60, 0, 0), "section 1: it has 1000001 types, more than the 1000000 allowed"},
		"locals":        {bare(slices.Concat(enginetest.Section(1, []byte{1, 0x60, 0, 0}), enginetest.Section(3, []byte{1, 0}), enginetest.Section(10, []byte{1, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b}))), "section 10: function 0 has 4294967295 local variables, more than the 50000 allowed"},
		"names":         {bare(enginetest.Section(2, append(bytecode.AppendU32(nil, uint32(maxNames/len(name)+1)), names...))), "section 2: the names of its imports and exports have more than the 4194304 bytes allowed"},
	}
	for name, c := range cases {
		cases[name] = of{c.wasm, "module is larger than this runtime takes: " + c.want}
	}
	for id, bound := range maxEntries { // a count that the section's bytes cannot hold
		cases["count of "+bound.what+fmt.Sprint(" ", id)] = of{
			bare(enginetest.Section(byte(id), []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0})),
			fmt.Sprintf("module is malformed: section %d: it says that it has 4294967295 %s in 6 bytes", id, bound.what),
		}
	}
	cases["memory"] = of{module(func(m *enginetest.Module) { m.Memory = []byte{0x00, 0xff, 0xff, 0xff, 0xff, 0x0f} }), "module is not valid: section memory: min 4294967295 pages"}
	cases["memories"] = of{bare(enginetest.Section(5, []byte{2, 0, 1, 0, 1})), "module uses multiple memories, which this runtime does not offer"}
	return cases
}

// TestAbsurdModules are refused before room is made for what they claim.
func TestAbsurdModules(t *testing.T) {
	for name, c := range absurd() {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(t.Context(), c.wasm, t.TempDir())
			failure, ok := errors.AsType[*spec.Failure](err)
			if !ok || failure.Class != spec.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %.300v\nwant %s", err, c.want)
			}
		})
	}
}

// FuzzParseInfo reads what a compiler that refused a module may have left.
func FuzzParseInfo(f *testing.F) {
	f.Add([]byte(`{"kind":"component","imports":[{"module":"","name":"wasi:io/error@0.2.0","kind":"instance"}],"exports":["wasi:cli/run@0.2.0"]}`))
	f.Add([]byte(`{"kind":"command","missing":[{"module":"env","name":"a\ud800","kind":"func"},{},null],"exports":null,"memory":{"min":18446744073709551615,"max":-0}}`))
	f.Add([]byte(`{"kind":"reactor","KIND":"library","imports":[],"exports":["run","run",""],"entry":"../../x","features":null} `))
	f.Add([]byte(`{"kind":1}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		info, err := parseInfo(raw)
		if err != nil {
			return
		}
		if err := info.Runnable("run"); err != nil && len(err.Error()) > 8<<10 {
			t.Errorf("%d bytes", len(err.Error()))
		}
		if err := WriteInfo(t.TempDir(), info); err != nil {
			t.Error(err)
		}
	})
}
