// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

func compile(t *testing.T, o launch.CompilerOptions) (string, error) {
	t.Helper()
	o.WorkerPath, o.OutDir = workerPath, t.TempDir()
	return o.OutDir, launch.Compiler(t.Context(), o)
}

// TestCompilerOutputIsRootsAndReadOnly: what containers will run must not
// belong to the user that compiled it.
func TestCompilerOutputIsRootsAndReadOnly(t *testing.T) {
	dir, err := compile(t, launch.CompilerOptions{Module: open(t, guestPath)})
	if err != nil {
		t.Fatal(err)
	}
	info, err := engine.ReadInfo(dir)
	if err != nil || info.Runnable("") != nil {
		t.Fatalf("info %+v, %v", info, err)
	}
	var names []string
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		if st.Uid != 0 || st.Gid != 0 || st.Mode&0o022 != 0 || !d.IsDir() && st.Mode&0o7777 != 0o444 {
			t.Errorf("%s: uid %d, gid %d, mode %o", name, st.Uid, st.Gid, st.Mode)
		}
		if !d.IsDir() {
			names = append(names, filepath.Base(name))
		}
		return nil
	})
	// The module's skeleton, its code and table of functions, the image of its memory, wazero's entry, and what is known of it.
	if err != nil || len(names) != 6 {
		t.Errorf("files %q, %v", names, err)
	}
	assertNoChildren(t)
}

func TestCompilerRefusesInItsWords(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  string
		left  int // a description, where there is something to describe
	}{
		"no module": {[]byte("#!/bin/sh\n"), "not a WebAssembly module: it is a script", 0},
		"component": {[]byte("\x00asm\x0d\x00\x01\x00"), "module is a WebAssembly component: ", 1},
		"truncated": {enginetest.Trap()[:60], "module is malformed: it is cut off", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := compile(t, launch.CompilerOptions{Module: open(t, moduleFile(t, c.bytes))})
			if !errdefs.IsInvalidArgument(err) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != c.left {
				t.Errorf("output %v, %v", entries, err)
			}
		})
	}
}

func TestCompilerEndsWithItsContext(t *testing.T) {
	late := errors.New("the pull was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := launch.Compiler(ctx, launch.CompilerOptions{
		WorkerPath: workerPath, Module: open(t, guestPath), OutDir: t.TempDir(),
		Cgroup: added(func(int) error { cancel(late); return nil }),
	})
	if !errors.Is(err, late) {
		t.Errorf("got %v", err)
	}
	assertNoChildren(t)
}

// TestCompilerStaysInItsMemory gives a compiler less than its module needs.
func TestCompilerStaysInItsMemory(t *testing.T) {
	const limit = 24 << 20
	group := newGroup(t, cgroup.Resources{MemoryLimit: limit, MemorySwapLimit: limit})
	_, err := compile(t, launch.CompilerOptions{Module: open(t, guestPath), Memory: limit, Cgroup: group})
	if !errdefs.IsResourceExhausted(err) {
		t.Errorf("got %v", err)
	}
	assertNoChildren(t)
}

// TestModuleThatChangesIsNotCompiled: what is compiled must be what was hashed,
// or a pod could put its own code into another's place in the cache.
func TestModuleThatChangesIsNotCompiled(t *testing.T) {
	trusted, planted := enginetest.Exit(0), enginetest.Exit(1)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(trusted))
	dir, err := compile(t, launch.CompilerOptions{Module: open(t, moduleFile(t, planted)), Digest: digest})
	if !errdefs.IsUnavailable(err) {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("output %v, %v", entries, err)
	}
	if _, err := compile(t, launch.CompilerOptions{Module: open(t, moduleFile(t, trusted)), Digest: digest}); err != nil {
		t.Error(err)
	}
}

// TestModuleMayChangeDuringTheCompile rewrites the file when the compiler has
// started: it works on a copy.
func TestModuleMayChangeDuringTheCompile(t *testing.T) {
	wasm := enginetest.Exit(0)
	name := moduleFile(t, wasm)
	dir, err := compile(t, launch.CompilerOptions{
		Module: open(t, name), Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(wasm)),
		Cgroup: added(func(int) error { return os.WriteFile(name, []byte("#!/bin/sh"), 0o644) }),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := t.TempDir()
	if _, err := engine.Compile(t.Context(), wasm, want); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"module.wasm", "code"} {
		kept, err := os.ReadFile(filepath.Join(dir, file))
		expected, failed := os.ReadFile(filepath.Join(want, file))
		if err = errors.Join(err, failed); err != nil || !bytes.Equal(kept, expected) {
			t.Errorf("%s: kept %q, want %q, %v", file, kept, expected, err)
		}
	}
}
