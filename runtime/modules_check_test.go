// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/integration/guests/tiny"
)

// A check finds what is no sound entry of this engine, and removes it when it is told to.
func TestCheckOfTheModuleCache(t *testing.T) {
	wasm := tiny.Hello("hello\n")
	of := digest.FromBytes(wasm)
	for name, c := range map[string]struct {
		change  func(t *testing.T, dir, entry string)
		kept    bool // by its module
		want    string
		remains bool
	}{
		"code": {func(t *testing.T, _, entry string) {
			edit(t, filepath.Join(entry, "module.wasm"), func(b []byte) []byte { return append(b, 0) })
		}, true, "its files are not those that the compiler wrote", false},
		"record": {func(t *testing.T, _, entry string) {
			edit(t, filepath.Join(entry, "entry.json"), func([]byte) []byte { return []byte("{") })
		}, true, "no entry of the module cache: entry.json: ", false},
		"file": {func(t *testing.T, dir, entry string) {
			if err := os.RemoveAll(entry); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "file"), nil)
		}, true, "no entry of the module cache: ", false},
		"engine": {func(t *testing.T, _, entry string) {
			edit(t, filepath.Join(entry, "entry.json"), func(b []byte) []byte { return bytes.Replace(b, []byte("wazero"), []byte("winch"), 1) })
		}, true, "made by another engine", true},
		"orphan": {func(t *testing.T, _, entry string) { age(t, time.Hour, entry) }, false, "no image has this module, and it was last used ", true},
		"interrupted compiler": {func(t *testing.T, dir, entry string) {
			if err := os.Rename(entry, filepath.Join(dir, ".new-1")); err != nil {
				t.Fatal(err)
			}
		}, true, "its compiler was interrupted", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m := cache(t, dir, 0)
			entry := ensure(t, m, wasm)
			keep := func(module digest.Digest) bool { return c.kept && module == of }
			if n, findings, err := m.Check(t.Context(), keep, true); err != nil || n != 1 || len(findings) != 0 {
				t.Fatalf("a sound cache: %d entries, %+v, %v", n, findings, err)
			}
			c.change(t, dir, entry)
			for _, repair := range []bool{false, true} {
				_, findings, err := m.Check(t.Context(), keep, repair)
				if err != nil || len(findings) != 1 {
					t.Fatalf("%+v, %v", findings, err)
				}
				f := findings[0]
				if !strings.HasPrefix(f.Object, "compiled module ") || !strings.HasPrefix(f.Cause, c.want) || f.Remains != c.remains || f.Repaired != repair {
					t.Errorf("repair %t: %+v", repair, f)
				}
			}
			if n := entriesOf(t, dir); n != 0 {
				t.Errorf("%d entries are left", n)
			}
			ensure(t, m, wasm)
			if _, findings, err := m.Check(t.Context(), keep, false); err != nil || len(findings) != 0 || m.Compiles() != 2 {
				t.Errorf("made anew: %+v, %v, %d compilers", findings, err, m.Compiles())
			}
		})
	}
}

// What is just being compiled, or was just used, is left alone.
func TestCheckBesideACompiler(t *testing.T) {
	dir := t.TempDir()
	m := cache(t, dir, 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ensure(t, m, tiny.Hello("compiled meanwhile\n"))
	}()
	nobody := func(digest.Digest) bool { return false }
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		if _, findings, err := m.Check(t.Context(), nobody, true); err != nil || len(findings) != 0 {
			t.Fatalf("%+v, %v", findings, err)
		}
	}
	if n := entriesOf(t, dir); n != 1 {
		t.Errorf("%d entries", n)
	}
}
