// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// run loads and runs what Compile left in dir.
func run(t testing.TB, dir string) (uint32, error) {
	t.Helper()
	m, err := Load(t.Context(), dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	i, err := m.Prepare(t.Context(), wasi.Options{})
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

func TestGuestMemory(t *testing.T) {
	m := allocateMemory(0, 1<<30).(*mappedMemory)
	first := m.Reallocate(1 << 16)
	first[1<<16-1] = 42
	second := m.Reallocate(1 << 20)
	if &first[0] != &second[0] || second[1<<16-1] != 42 || len(second) != 1<<20 {
		t.Error("growing moved the memory")
	}
	second[1<<20-1] = 1
	if m.Reallocate(1<<30+1) != nil {
		t.Error("grew beyond its maximum")
	}
	m.Free()
	if m.Reallocate(1) != nil {
		t.Error("usable after it was freed")
	}
	m.Free()
	if none := allocateMemory(0, 0).Reallocate(0); len(none) != 0 {
		t.Error("a memory of no size has one")
	}
}

// TestGrowthCostsNoCopies grows a guest to 1 GiB, page by page: the address
// space is reserved, and only touched pages count.
func TestGrowthCostsNoCopies(t *testing.T) {
	if code, err := runModule(t, enginetest.Grow(16384)); code != 0 || err != nil {
		t.Errorf("code %d, %v", code, err)
	}
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
	if m, err := Load(t.Context(), dir, 0); err == nil {
		t.Errorf("loaded %v without its code", m)
	}
}

func TestMemoryBeyondTheCapIsRefused(t *testing.T) {
	dir := t.TempDir()
	wasm := module(func(m *enginetest.Module) { m.Memory = []byte{0x00, 0x80, 0x20} }) // 4096 pages
	if _, err := Compile(t.Context(), wasm, dir); err != nil {
		t.Fatal(err)
	}
	_, err := Load(t.Context(), dir, 1024)
	if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.Invalid ||
		err.Error() != "module starts with 256 MiB of memory, more than the 64 MiB it may have" {
		t.Errorf("got %v", err)
	}
	if _, err := Load(t.Context(), dir, 4096); err != nil {
		t.Error(err)
	}
}

// TestMissingAddressSpaceIsAnError has a guest whose memory cannot be had.
func TestMissingAddressSpaceIsAnError(t *testing.T) {
	dir := t.TempDir()
	wasm := module(func(m *enginetest.Module) { m.Memory = []byte{0x00, 0x80, 0x80, 0x04} }) // 4 GiB at once
	if _, err := Compile(t.Context(), wasm, dir); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := m.Prepare(t.Context(), wasi.Options{})
	if err != nil {
		t.Fatal(err)
	}
	restore := limitAddressSpace(t, 1<<30)
	_, err = instance.Run(t.Context())
	restore()
	if err == nil || !strings.HasPrefix(err.Error(), "instance: ") {
		t.Errorf("got %v", err)
	}
}

// limitAddressSpace leaves this process so many bytes more than it has.
func limitAddressSpace(t *testing.T, more uint64) (restore func()) {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages uint64
	if _, err := fmt.Sscan(string(raw), &pages); err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &before); err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: pages*uint64(os.Getpagesize()) + more, Max: before.Max}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &limit); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_AS, &before); err != nil {
			t.Error(err)
		}
	}
}

// TestMachineCodeIsShared is what notices when wazero moves its code: two
// loaded modules must execute the same file's pages.
func TestMachineCodeIsShared(t *testing.T) {
	dir := t.TempDir()
	if _, err := Compile(t.Context(), enginetest.Trap(), dir); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	code := machineCode(m.compiled)
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	mapping := fmt.Sprintf("%x-", uintptr(unsafe.Pointer(&code[0])))
	for line := range strings.Lines(string(maps)) {
		if strings.HasPrefix(line, mapping) && strings.Contains(line, filepath.Join(dir, codeFile)) {
			if !strings.Contains(line, " r-xp ") {
				t.Errorf("mapped as %s", line)
			}
			return
		}
	}
	t.Errorf("no mapping of the code's file at %s", mapping)
}

func TestForeignCodeIsNotShared(t *testing.T) {
	dir := t.TempDir()
	if _, err := Compile(t.Context(), enginetest.Exit(0), dir); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, codeFile)
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] ^= 1
	if err := errors.Join(os.Remove(name), os.WriteFile(name, raw, 0o444)); err != nil {
		t.Fatal(err)
	}
	_, err = Load(t.Context(), dir, 0)
	if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.CorruptCache {
		t.Errorf("got %v", err)
	}
}
