// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// module is a command whose parts can be changed.
func module(change func(*enginetest.Module)) []byte {
	m := enginetest.Command()
	change(&m)
	return m.Bytes()
}

// body is a command with that code.
func body(code ...byte) []byte { return enginetest.Command(code).Bytes() }

func importing(module, name string, params ...byte) []byte {
	return enginetest.Module{Funcs: []enginetest.Func{
		{Module: module, Name: name, Params: params},
		{Name: "_start"},
	}}.Bytes()
}

func exporting(names ...string) []byte {
	var m enginetest.Module
	for _, name := range names {
		m.Funcs = append(m.Funcs, enginetest.Func{Name: name})
	}
	return m.Bytes()
}

// loadable compiles and loads a module to run that function.
func loadable(t *testing.T, wasm []byte, export string) error {
	t.Helper()
	dir := t.TempDir()
	if _, err := Compile(t.Context(), wasm, dir); err != nil {
		return err
	}
	m, err := Load(t.Context(), dir, 0, export)
	if err != nil {
		return err
	}
	return m.runtime.Close(t.Context())
}

// TestRefusals is what users read when their module cannot run.
func TestRefusals(t *testing.T) {
	const wasi = "wasi_snapshot_preview1"
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"empty":     {nil, "not a WebAssembly module: it is empty"},
		"ELF":       {[]byte("\x7fELF\x02\x01\x01"), "not a WebAssembly module: it is a native Linux program (ELF)"},
		"script":    {[]byte("#!/bin/sh\necho"), "not a WebAssembly module: it is a script"},
		"gzip":      {[]byte("\x1f\x8b\x08\x00\x00"), "not a WebAssembly module: it is gzip data"},
		"wat":       {[]byte("\n (module\n (func))"), "not a WebAssembly module: it is WebAssembly text (.wat), which must be assembled first"},
		"text":      {[]byte("<!DOCTYPE html>"), `not a WebAssembly module: it is text that begins with "<!DOCTYPE html>"`},
		"bytes":     {[]byte{0xde, 0xad, 0xbe, 0xef}, "not a WebAssembly module: it begins with the bytes de ad be ef"},
		"future":    {[]byte("\x00asm\x01\x00\x02\x00"), "not a WebAssembly module: it is a WebAssembly binary of an unknown version"},
		"version 2": {[]byte("\x00asm\x02\x00\x00\x00"), "not a WebAssembly module: it is a WebAssembly binary of an unknown version"},
		"component": {[]byte("\x00asm\x0d\x00\x01\x00rest"), "module is a WebAssembly component: only core modules run here so far; build it for WASI preview 1 (wasip1)"},
		"cut off":   {body()[:40], "module is malformed: it is cut off"},
		"reactor":   {exporting("_initialize", "handle"), "module is a reactor (it exports _initialize, not _start): build it as a command, or name a function as PATH#FUNCTION; it exports _initialize, handle"},
		"library":   {exporting("add", "sub"), "module has no _start function, so there is nothing to run: build it as a WASI command, or name a function as PATH#FUNCTION; it exports add, sub"},
		"bare":      {[]byte("\x00asm\x01\x00\x00\x00"), "module has no _start function, so there is nothing to run: build it as a WASI command, or name a function as PATH#FUNCTION; it exports nothing"},
		"env":       {importing("env", "emscripten_notify"), "module imports what this runtime does not provide: env.emscripten_notify (function)"},
		"no such":   {importing(wasi, "fd_fly"), "module imports what this runtime does not provide: wasi_snapshot_preview1.fd_fly (function)"},
		"signature": {importing(wasi, "proc_exit", enginetest.I64), "module imports wasi_snapshot_preview1.proc_exit as (i64), but it is (i32)"},
		"HTTP":      {importing(httpcall.ModuleName, "send"), "module imports what this runtime does not provide: wasi_experimental_http.send (function)"},
		"HTTP type": {importing(httpcall.ModuleName, "close", enginetest.I64), "module imports wasi_experimental_http.close as (i64), but it is (i32) -> i32"},
		"start":     {enginetest.Module{Funcs: []enginetest.Func{{Name: "_start", Params: []byte{enginetest.I32}}}}.Bytes(), "module exports _start as (i32), but a command's takes and returns nothing"},
		"4 GiB":     {module(func(m *enginetest.Module) { m.Memory = []byte{0x00, 0x80, 0x80, 0x04} }), "module is not valid: section memory: min 65536 pages (4 Gi) over limit of 65535 pages"},
		"nonsense":  {body(0x1a), "module is not valid: "}, // drop of nothing
		"huge name": {importing("env", strings.Repeat("n", 10000)), "module imports what this runtime does not provide: env.nnn"},
	} {
		t.Run(name, func(t *testing.T) {
			err := loadable(t, c.wasm, "")
			failure, ok := errors.AsType[*spec.Failure](err)
			if !ok || failure.Class != spec.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			if len(err.Error()) > 8<<10 || strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line of bearable length: %d bytes", len(err.Error()))
			}
		})
	}
}

// TestExtensionsOnOffer compiles modules that need more than WebAssembly 2.0.
func TestExtensionsOnOffer(t *testing.T) {
	extendedConst := enginetest.Section(6, []byte{1, enginetest.I32, 0, enginetest.I32Const, 1, enginetest.I32Const, 2, enginetest.I32Add, enginetest.End})
	typedRef := []byte{0x63, 0x00} // (ref null 0)
	for name, wasm := range map[string][]byte{
		"tail call":      enginetest.Module{Funcs: []enginetest.Func{{Name: "_start", Body: []byte{0x12, 0x01}}, {Name: "next"}}}.Bytes(),
		"extended const": append([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(enginetest.Section(1, []byte{1, 0x60, 0, 0}), enginetest.Section(3, []byte{1, 0}), extendedConst, enginetest.Section(7, append([]byte{1, 6}, "_start\x00\x00"...)), enginetest.Section(10, []byte{1, 2, 0, enginetest.End}))...),
		"typed function references": append([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(
			enginetest.Section(1, []byte{1, 0x60, 0, 0}), enginetest.Section(3, []byte{1, 0}),
			enginetest.Section(7, append([]byte{1, 6}, "_start\x00\x00"...)),
			enginetest.Section(10, slices.Concat([]byte{1, byte(4 + len(typedRef)), 1, 1}, typedRef, []byte{0x01, enginetest.End})))...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			info, err := Compile(t.Context(), wasm, dir)
			if err != nil {
				t.Fatal(err)
			}
			if info.Kind != KindCommand {
				t.Errorf("kind %s", info.Kind)
			}
			if code, err := run(t, dir); code != 0 || err != nil {
				t.Errorf("code %d, %v", code, err)
			}
		})
	}
}

func TestInfo(t *testing.T) {
	wasm := module(func(m *enginetest.Module) { m.Memory = []byte{0x01, 2, 7} })
	dir := t.TempDir()
	info, err := Compile(t.Context(), wasm, dir)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []Info{info, read} {
		if got.Kind != KindCommand || got.Memory != (Memory{Min: 2, Max: 7}) || len(got.Missing) != 0 ||
			len(got.Imports) != 3 || got.Imports[0] != (Import{"wasi_snapshot_preview1", "proc_exit", "function"}) ||
			!slices.Equal(got.Exports, []string{"_start"}) || got.Platform != platform() {
			t.Errorf("info %+v", got)
		}
	}
}

// What is refused is described all the same.
func TestInfoOfWhatIsRefused(t *testing.T) {
	const preamble = "\x00asm\x0d\x00\x01\x00"
	core := enginetest.Module{Funcs: []enginetest.Func{{Name: "run"}}}.Bytes()
	core = append(core, enginetest.Section(0, append([]byte("\x0ftarget_features"), "\x01+\x07simd128"...))...)
	component := slices.Concat([]byte(preamble), enginetest.Section(1, core),
		enginetest.Section(10, append([]byte{1, 0, 19}, "wasi:io/error@0.2.0\x05\x00"...)),
		enginetest.Section(11, append([]byte{1, 0, 18}, "wasi:cli/run@0.2.0\x05\x00\x00"...)))
	for name, c := range map[string]struct {
		wasm []byte
		want Info
	}{
		"component":        {component, Info{Kind: KindComponent, Imports: []Import{{"", "wasi:io/error@0.2.0", "instance"}}, Exports: []string{"wasi:cli/run@0.2.0"}, World: "wasi:cli/command@0.2.0", Features: []string{"simd128"}}},
		"broken component": {append([]byte(preamble), 99, 0), Info{Kind: KindComponent}},
		"missing import":   {importing("env", "nowhere"), Info{Kind: KindCommand, Imports: []Import{{"env", "nowhere", "function"}}, Exports: []string{"_start"}}},
		"nonsense":         {body(0x1a), Info{Kind: KindCommand, Exports: []string{"_start"}}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Compile(t.Context(), c.wasm, dir); err == nil {
				t.Fatal("compiled")
			}
			got, err := ReadInfo(dir)
			if err != nil {
				t.Fatal(err)
			}
			if name == "nonsense" {
				got.Imports = nil
			}
			if got.Kind != c.want.Kind || !slices.Equal(got.Imports, c.want.Imports) || !slices.Equal(got.Exports, c.want.Exports) || got.World != c.want.World || !slices.Equal(got.Features, c.want.Features) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// An info file is read as what it may be: anything.
func TestInfoThatIsNone(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"absent":    func(string) error { return nil },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"text":      func(path string) error { return os.WriteFile(path, []byte("text"), 0o600) },
		"endless": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(" "), 0o600), os.Truncate(path, maxInfo+1))
		},
	} {
		dir := t.TempDir()
		if err := plant(filepath.Join(dir, infoFile)); err != nil {
			t.Fatal(err)
		}
		if info, err := ReadInfo(dir); err == nil {
			t.Errorf("%s: %+v", name, info)
		}
	}
}

func TestKeyChangesWithTheModule(t *testing.T) {
	a, b := Key("sha256:1"), Key("sha256:2")
	if a == b || len(a) != 64 || a != Key("sha256:1") {
		t.Errorf("keys %s and %s", a, b)
	}
	if !strings.HasPrefix(Version(), "wazero") {
		t.Errorf("version %s", Version())
	}
}

func TestSniff(t *testing.T) {
	for header, want := range map[string]Kind{
		"\x00asm\x01\x00\x00\x00": KindModule,
		"\x00asm\x0d\x00\x01\x00": KindComponent,
		"\x00asm\x01\x00\x02\x00": KindOther,
		"\x00asm\x02\x00\x00\x00": KindOther,
		"\x00asm\x01":             KindOther,
		"":                        KindOther,
		"\x7fELF\x02\x01\x01\x00": KindOther,
	} {
		if got := Sniff([]byte(header)); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// FuzzExamine feeds foreign bytes to everything that looks at a module before
// the compiler does. It must return, and its words must be fit for an event.
func FuzzExamine(f *testing.F) {
	f.Add(body())
	f.Add(importing("env", "f", enginetest.I32))
	f.Add(exporting("a"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x01\xff\xff\xff\xff\x0f"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x02\x05\xff\xff\xff\xff\x0f"))
	f.Add([]byte("(module)"))
	f.Add(catching().Bytes())
	f.Add(body(0xfd, 0x80, 0x02))
	f.Add(bare([]byte("\x01\x04\x01\x4e\x01\x5f")))
	f.Add(bare(enginetest.Section(4, []byte{1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b})))
	f.Add([]byte("\x00asm\x0d\x00\x01\x00\x0a\x06\x01\x00\x01a\x05\x00"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		info, _, err := inspect(wasm)
		if err == nil {
			err = info.Runnable("run")
		}
		if err != nil && (len(err.Error()) > 8<<10 || !isText([]byte(err.Error()))) {
			t.Errorf("%d bytes: %.200q", len(err.Error()), err)
		}
	})
}
