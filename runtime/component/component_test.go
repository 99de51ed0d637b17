// SPDX-License-Identifier: Apache-2.0

package component

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

const preamble = "\x00asm\x0d\x00\x01\x00"

// assemble makes a component of these sections.
func assemble(sections ...[]byte) []byte {
	b := []byte(preamble)
	for _, s := range sections {
		b = append(b, s...)
	}
	return b
}

func section(id byte, body ...byte) []byte {
	return bytecode.AppendSection(nil, bytecode.SectionID(id), body)
}

// vector puts its length before the items.
func vector(items ...[]byte) []byte {
	b := bytecode.AppendU32(nil, uint32(len(items)))
	for _, item := range items {
		b = append(b, item...)
	}
	return b
}

func text(s string) []byte { return append(bytecode.AppendU32(nil, uint32(len(s))), s...) }

// named is the name of an import or export with what follows it.
func named(name string, rest ...byte) []byte {
	return append(append([]byte{0}, text(name)...), rest...)
}

func custom(name string, content []byte) []byte {
	return section(sectionCustom, append(text(name), content...)...)
}

// instances are imports of interfaces.
func instances(names ...string) []byte {
	var items [][]byte
	for _, name := range names {
		items = append(items, named(name, 5, 0))
	}
	return section(sectionImport, vector(items...)...)
}

// exporting are exports of interfaces.
func exporting(names ...string) []byte {
	var items [][]byte
	for _, name := range names {
		items = append(items, named(name, 5, 0, 0))
	}
	return section(sectionExport, vector(items...)...)
}

// world is what bindings say of the world of that name, which has every form of type.
func world(name string) []byte {
	inner := vector(
		append([]byte{1, 0x42}, vector( // an instance's type, and in it
			append([]byte{1, 0x72}, vector(append(text("field"), 0x7f))...),
			append([]byte{1, 0x71}, vector(append(text("case"), 1, 0x73, 0), append(text("none"), 0, 0))...),
			[]byte{1, 0x70, 0x7d}, []byte{1, 0x67, 0x7d, 4}, []byte{1, 0x6b, 0x79}, []byte{1, 0x6a, 1, 0x7f, 0}, []byte{1, 0x6a, 0, 0},
			append([]byte{1, 0x6f}, vector([]byte{0x7f}, []byte{0x73})...),
			append([]byte{1, 0x6e}, vector(text("flag"))...), append([]byte{1, 0x6d}, vector(text("a"), text("b"))...),
			[]byte{1, 0x3f, 0x7f, 0}, []byte{1, 0x3f, 0x7f, 1, 3}, []byte{1, 0x69, 0}, []byte{1, 0x68, 0}, []byte{1, 0x66, 1, 0x7d}, []byte{1, 0x65, 0}, []byte{1, 0x64},
			append(append([]byte{1, 0x40}, vector(append(text("p"), 0x79))...), 0, 0x7f),
			append(append([]byte{1, 0x43}, vector()...), 1, 0),
			[]byte{2, 3, 2, 1, 0},
			append([]byte{4}, named("resource", 3, 1)...), append([]byte{4}, named("same", 3, 0, 0)...), append([]byte{4}, named("call", 1, 17)...),
		)...),
		append([]byte{3}, named("wasi:io/error@0.2.0", 5, 0)...),
		append([]byte{4}, named("wasi:cli/run@0.2.0", 5, 0)...),
	)
	outer := vector(append([]byte{1, 0x41}, inner...), append([]byte{4}, named(name, 4, 0)...))
	return assemble(custom("wit-component-encoding", []byte{4, 0}), section(sectionType, vector(append([]byte{0x41}, outer...))...))
}

func TestRead(t *testing.T) {
	core := []byte("\x00asm\x01\x00\x00\x00")
	nested := assemble(section(sectionModule, append(core, 0, 1, 0)...), instances("not:ours/a"), custom("component-type", world("not:ours/world")))
	functions := section(sectionImport, vector(
		named("log", 1, 0), named("value", 2, 1, 0x7f), named("same", 2, 0, 3), named("resource", 3, 1),
		named("part", 4, 2), append([]byte{1}, append(text("module"), 0, coreModule, 0)...),
	)...)
	for name, c := range map[string]struct {
		wasm []byte
		want Outline
	}{
		"least": {assemble(), Outline{}},
		"command": {assemble(section(sectionModule, core...), instances("wasi:cli/environment@0.2.0", "wasi:io/streams@0.2.0"), exporting("wasi:cli/run@0.2.0")), Outline{
			Imports: []Extern{{"wasi:cli/environment@0.2.0", "instance"}, {"wasi:io/streams@0.2.0", "instance"}},
			Exports: []Extern{{"wasi:cli/run@0.2.0", "instance"}}, World: "wasi:cli/command@0.2.0", Modules: [][]byte{core},
		}},
		"proxy":    {assemble(exporting("wasi:http/incoming-handler@0.2.10")), Outline{Exports: []Extern{{"wasi:http/incoming-handler@0.2.10", "instance"}}, World: "wasi:http/proxy@0.2.10"}},
		"both":     {assemble(exporting("wasi:http/incoming-handler@0.2.0", "wasi:cli/run@0.2.3")), Outline{Exports: []Extern{{"wasi:http/incoming-handler@0.2.0", "instance"}, {"wasi:cli/run@0.2.3", "instance"}}, World: "wasi:cli/command@0.2.3, wasi:http/proxy@0.2.0"}},
		"its word": {assemble(custom("component-type:app", world("team:app/main@1.0.0")), exporting("wasi:cli/run@0.2.0")), Outline{Exports: []Extern{{"wasi:cli/run@0.2.0", "instance"}}, World: "team:app/main@1.0.0"}},
		"unread":   {assemble(custom("component-type", []byte("nonsense"))), Outline{}},
		"nested":   {assemble(section(sectionComponent, nested...)), Outline{Modules: [][]byte{append(core, 0, 1, 0)}}},
		"every kind": {assemble(functions), Outline{Imports: []Extern{
			{"log", "function"}, {"value", "value"}, {"same", "value"}, {"resource", "type"}, {"part", "component"}, {"module", "module"},
		}}},
		"with types": {assemble(section(sectionExport, vector(named("run", 1, 0, 1, 1, 0))...)), Outline{Exports: []Extern{{"run", "function"}}}},
		"unprinting": {assemble(exporting("a\x1b[31m")), Outline{Exports: []Extern{{"a\ufffd[31m", "instance"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(c.wasm)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
		})
	}
}

func TestReadIsBounded(t *testing.T) {
	deep := assemble()
	for range maxDepth + 1 {
		deep = assemble(section(sectionComponent, deep...))
	}
	many := make([]string, maxExterns+1)
	for i := range many {
		many[i] = fmt.Sprint("i", i)
	}
	modules := make([][]byte, maxModules+1)
	for i := range modules {
		modules[i] = section(sectionModule)
	}
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"depth":    {deep, "nested more than 8 deep"},
		"imports":  {assemble(instances(many...)), "more than 1000 imports"},
		"exports":  {assemble(exporting(many[:600]...), exporting(many[:600]...)), "more than 1000 exports"},
		"modules":  {assemble(modules...), "more than 1000 core modules"},
		"name":     {assemble(instances(strings.Repeat("n", maxName+1))), "a name has 1025 bytes"},
		"count":    {assemble(section(sectionImport, 0xff, 0xff, 0xff, 0xff, 0x0f)), "cut off"},
		"section":  {assemble(section(13)), "no such section"},
		"cut off":  {assemble(instances("a"))[:12], "cut off"},
		"preamble": {[]byte("\x00asm"), "cut off"},
		"sort":     {assemble(section(sectionImport, vector(named("a", 9, 0))...)), "there is no sort 0x9"},
		"form":     {assemble(section(sectionImport, 1, 7, 0)), "unknown form 0x7"},
	} {
		if o, err := Read(c.wasm); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want %q", name, o, err, c.want)
		}
	}
}

func TestWorld(t *testing.T) {
	if got := World(world("wasi:cli/command@0.2.12")); got != "wasi:cli/command@0.2.12" {
		t.Errorf("got %q", got)
	}
	module := append([]byte("\x00asm\x01\x00\x00\x00"), custom("component-type:bindings:0.41.0:a:b/c", world("a:b/c"))...)
	if got := ModuleWorld(module); got != "a:b/c" {
		t.Errorf("of a module: %q", got)
	}
	nested := []byte{0x42, 1, 1}
	for range maxDepth {
		nested = append([]byte{0x42, 1, 1}, nested...)
	}
	for name, content := range map[string][]byte{
		"empty": nil, "module": []byte("\x00asm\x01\x00\x00\x00"), "no types": assemble(), "no type": assemble(section(sectionType, 0)),
		"cut off": world("a:b/c")[:60], "too deep": assemble(section(sectionType, append([]byte{1}, nested...)...)),
		"unknown type": assemble(section(sectionType, 1, 0x10)), "unknown part": assemble(section(sectionType, 1, 0x41, 1, 9)),
	} {
		if got := World(content); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, module := range [][]byte{nil, []byte("\x00asm\x01\x00\x00\x00"), append([]byte("\x00asm\x01\x00\x00\x00"), 0, 9)} {
		if got := ModuleWorld(module); got != "" {
			t.Errorf("%q: %q", module, got)
		}
	}
}

// FuzzRead reads foreign bytes as a component and as a world. It must return, and keep its bounds.
func FuzzRead(f *testing.F) {
	f.Add(assemble(section(sectionModule, []byte("\x00asm\x01\x00\x00\x00")...), instances("wasi:cli/environment@0.2.0"), exporting("wasi:cli/run@0.2.0")))
	f.Add(assemble(custom("component-type", world("a:b/c")), section(sectionComponent, assemble(section(sectionModule))...)))
	f.Add(world("a:b/c"))
	f.Add(assemble(section(sectionImport, 0xff, 0xff, 0xff, 0xff, 0x0f)))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		World(wasm)
		ModuleWorld(wasm)
		o, err := Read(wasm)
		if err != nil {
			return
		}
		if len(o.Imports) > maxExterns || len(o.Exports) > maxExterns || len(o.Modules) > maxModules {
			t.Errorf("%d imports, %d exports, %d modules", len(o.Imports), len(o.Exports), len(o.Modules))
		}
		for _, e := range append(o.Imports, o.Exports...) {
			if e.Kind == "" || len(e.Name) > 3*maxName {
				t.Errorf("%+v", e)
			}
		}
	})
}
