// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestGuestMemory(t *testing.T) {
	m := allocateMemory(1<<30, nil).(*mappedMemory)
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
	if none := allocateMemory(0, nil).Reallocate(0); len(none) != 0 {
		t.Error("a memory of no size has one")
	}
}

// TestLargestMemory grows a guest to the last page there may be, and beyond.
func TestLargestMemory(t *testing.T) {
	if code, err := runModule(t, enginetest.Grow(mostPages-1)); code != 0 || err != nil {
		t.Errorf("code %d, %v", code, err)
	}
	if code, err := runModule(t, enginetest.Grow(mostPages)); code != 1 || err != nil {
		t.Errorf("one page more: code %d, %v", code, err)
	}
}

// TestGrowthCostsNoCopies grows a guest to 1 GiB, page by page: the address
// space is reserved, and only touched pages count.
func TestGrowthCostsNoCopies(t *testing.T) {
	if code, err := runModule(t, enginetest.Grow(16384)); code != 0 || err != nil {
		t.Errorf("code %d, %v", code, err)
	}
}

func TestMemoryBeyondTheCapIsRefused(t *testing.T) {
	dir := t.TempDir()
	wasm := module(func(m *enginetest.Module) { m.Memory = []byte{0x00, 0x80, 0x20} }) // 4096 pages
	if _, err := Compile(t.Context(), wasm, dir); err != nil {
		t.Fatal(err)
	}
	_, err := Load(t.Context(), dir, 1024, "")
	if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.Invalid ||
		err.Error() != "module starts with 256 MiB of memory, more than the 64 MiB it may have" {
		t.Errorf("got %v", err)
	}
	if _, err := Load(t.Context(), dir, 4096, ""); err != nil {
		t.Error(err)
	}
}

// TestMissingAddressSpaceIsAnError has a guest whose memory cannot be had.
func TestMissingAddressSpaceIsAnError(t *testing.T) {
	dir := t.TempDir()
	wasm := module(func(m *enginetest.Module) { m.Memory = []byte{0x00, 0xff, 0xff, 0x03} }) // 4 GiB at once, but for a page
	if _, err := Compile(t.Context(), wasm, dir); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), dir, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := m.Prepare(t.Context(), wasi.Options{}, &httpcall.Outbound{})
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
