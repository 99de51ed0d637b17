// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
)

// run loads and runs what Compile left in dir.
func run(t testing.TB, dir string) (uint32, error) {
	t.Helper()
	m, err := Load(t.Context(), dir, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	i, err := m.Prepare(t.Context(), wasi.Options{}, &httpcall.Outbound{})
	if err != nil {
		t.Fatal(err)
	}
	return i.Run(t.Context())
}

func runModule(t testing.TB, wasm []byte) (uint32, error) {
	t.Helper()
	dir := t.TempDir()
	if _, err := Compile(t.Context(), wasm, dir); err != nil {
		t.Fatal(err)
	}
	return run(t, dir)
}

func TestExitCodes(t *testing.T) {
	for _, code := range []int32{0, 1, 255, 256, -1} {
		got, err := runModule(t, enginetest.Exit(code))
		if got != uint32(code) || err != nil {
			t.Errorf("proc_exit(%d): %d, %v", code, got, err)
		}
	}
	if code, err := runModule(t, body()); code != 0 || err != nil {
		t.Errorf("return of _start: %d, %v", code, err)
	}
}

func TestTraps(t *testing.T) {
	const crash = "\n    at crash()\n    at _start()"
	division := enginetest.Command(enginetest.Const(1), enginetest.Const(0), []byte{0x6d, enginetest.Drop}).Bytes()
	outside := enginetest.Command(enginetest.Const(-1), []byte{0x28, 2, 0, enginetest.Drop}).Bytes()
	recursion := enginetest.Command(enginetest.CallTo(3)).Bytes()
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"unreachable":  {enginetest.Trap(), "wasm trap: unreachable" + crash},
		"division":     {division, "wasm trap: integer divide by zero\n    at _start()"},
		"outside":      {outside, "wasm trap: out of bounds memory access\n    at _start()"},
		"recursion":    {recursion, "wasm trap: stack overflow"},
		"start's trap": {startSection(), "wasm trap: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runModule(t, c.wasm)
			trap, ok := errors.AsType[*Trap](err)
			if !ok || !strings.HasPrefix(trap.Text(), c.want) {
				t.Fatalf("got %v", err)
			}
			if len(trap.Text()) > maxTrap {
				t.Errorf("%d bytes", len(trap.Text()))
			}
		})
	}
}

// startSection traps in the module's start function, before _start.
func startSection() []byte {
	m := enginetest.Module{Funcs: []enginetest.Func{{Name: "_start"}, {Name: "init", Body: []byte{enginetest.Unreachable}}}}
	return withStart(m.Bytes(), 1)
}

// withStart gives a module a start function.
func withStart(wasm []byte, function byte) []byte {
	out := wasm[:bytecode.PreambleLen:bytecode.PreambleLen]
	sections, _ := bytecode.Sections(wasm)
	for _, s := range sections {
		out = bytecode.AppendSection(out, s.ID, s.Body)
		if s.ID == bytecode.Export {
			out = bytecode.AppendSection(out, bytecode.Start, []byte{function})
		}
	}
	return out
}

func TestTrapText(t *testing.T) {
	for name, c := range map[string]struct{ err, message, stack string }{
		"plain":      {"wasm error: unreachable\nwasm stack trace:\n\t.a(i32)\n\tmod.b() i32", "wasm trap: unreachable", "    at a(i32)\n    at mod.b() i32"},
		"no stack":   {"wasm error: unreachable", "wasm trap: unreachable", ""},
		"host panic": {"whoops\nmore (recovered by wazero)\nwasm stack trace:\n\t.a()", "host fault: whoops", "    at a()"},
		"go runtime": {"nil map (recovered by wazero)\nwasm stack trace:\n\t.a()\n\nGo runtime stack trace:\ngoroutine 1", "host fault: nil map", "    at a()"},
		"instance":   {"data[0]: out of bounds memory access", "wasm trap: data[0]: out of bounds memory access", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := newTrap(errors.New(c.err))
			if got.Message != c.message || got.Stack != c.stack {
				t.Errorf("message %q, stack %q", got.Message, got.Stack)
			}
		})
	}
}

func FuzzTrap(f *testing.F) {
	f.Add("wasm error: unreachable\nwasm stack trace:\n\t.a()")
	f.Add(strings.Repeat("é", maxTrap))
	f.Add("\nwasm stack trace:\n" + strings.Repeat("\t.x()\n", 1000))
	f.Fuzz(func(t *testing.T, text string) {
		trap := newTrap(errors.New(text))
		if len(trap.Text()) > maxTrap || strings.Contains(trap.Message, "\n") || trap.Message == "" {
			t.Errorf("%d bytes, message %q", len(trap.Text()), trap.Message)
		}
	})
}

func TestLoadNeverCompiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Compile(t.Context(), enginetest.Exit(0), dir); err != nil {
		t.Fatal(err)
	}
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("entries %q, %v", entries, err)
	}
	if err := os.Rename(entries[0], filepath.Join(filepath.Dir(entries[0]), strings.Repeat("0", 64))); err != nil {
		t.Fatal(err)
	}
	if m, err := Load(t.Context(), dir, 0, ""); err == nil {
		t.Errorf("loaded %v without its code", m)
	}
}
