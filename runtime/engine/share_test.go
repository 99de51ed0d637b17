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
	_, err = Load(t.Context(), dir, 0, "")
	if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.CorruptCache {
		t.Errorf("got %v", err)
	}
}
