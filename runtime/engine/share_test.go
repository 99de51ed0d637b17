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

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// TestMachineCodeIsShared is what notices when wazero moves its code: two
// loaded modules must execute the same file's pages.
func TestMachineCodeIsShared(t *testing.T) {
	dir := t.TempDir()
	if _, err := Compile(t.Context(), enginetest.Trap(), dir); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	n, ok := nativeOf(m.compiled)
	if !ok {
		t.Fatal("not found")
	}
	code := *n.code
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

// TestDamagedCode: what cannot be the code of the module is not run. (That the files
// are those that the compiler wrote is the daemon's to know.)
func TestDamagedCode(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no code":          func(dir string) error { return os.Truncate(filepath.Join(dir, codeFile), 0) },
		"code cut off":     func(dir string) error { return os.Truncate(filepath.Join(dir, codeFile), 1) },
		"no functions":     func(dir string) error { return os.Remove(filepath.Join(dir, functionsFile)) },
		"half a function":  func(dir string) error { return os.Truncate(filepath.Join(dir, functionsFile), 12) },
		"one function":     func(dir string) error { return os.Truncate(filepath.Join(dir, functionsFile), 8) },
		"function outside": func(dir string) error { return rewriteFile(filepath.Join(dir, functionsFile), 15, 0x7f) },
		"other magic":      func(dir string) error { return rewriteEntry(dir, 0, 'X') },
		"other placeholder": func(dir string) error {
			return rewriteEntry(dir, int64(len(entryMagic))+1+int64(len("v1.12.0"))+4+8, 'X')
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			wasm := enginetest.Module{Funcs: []enginetest.Func{{Name: "_start"}, {Name: "other"}}}.Bytes()
			if _, err := Compile(t.Context(), wasm, dir); err != nil {
				t.Fatal(err)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			_, err := Load(t.Context(), dir, 0, "")
			if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.CorruptCache {
				t.Errorf("got %v", err)
			}
		})
	}
}

func rewriteEntry(dir string, at int64, to byte) error {
	entry, err := findEntry(dir)
	if err != nil {
		return err
	}
	return rewriteFile(filepath.Join(dir, entry), at, to)
}

// rewriteFile changes one byte of a file.
func rewriteFile(name string, at int64, to byte) error {
	if err := os.Chmod(name, 0o644); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{to}, at)
	return errors.Join(err, f.Close())
}
