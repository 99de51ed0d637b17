// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Module is a loaded module, ready to run.
type Module struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	imported []function
	entry    entry
	image    *image // what its memory begins with, nil for its own data
}

// Load loads a module from the directory that Compile made. It never compiles:
// when the directory was made for another engine or machine, lacks the
// compiled code or holds a broken one, the error is a *spec.Failure of class
// CorruptCache, and the directory is to be made anew. dir is not needed any
// more when Load returns.
//
// maxPages bounds the module's memory, in pages of 64 KiB; 0 leaves it to the
// module. export is the function that is to run, "" for _start. A module that
// cannot run like that is refused with a *spec.Failure of class Invalid.
func Load(ctx context.Context, dir string, maxPages uint32, export string) (*Module, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, corrupt(err)
	}
	if info.Platform != platform() {
		return nil, corrupt(fmt.Errorf("made for %s, this is %s", info.Platform, platform()))
	}
	if err := info.Runnable(export); err != nil {
		return nil, err
	}
	if maxPages != 0 && info.Memory.Min > uint64(maxPages) {
		return nil, spec.Failf(spec.Invalid, "module starts with %d MiB of memory, more than the %d MiB it may have",
			info.Memory.Min*pageSize>>20, uint64(maxPages)*pageSize>>20)
	}
	// wazero compiles what it does not find.
	if _, err := os.Stat(filepath.Join(dir, info.Entry)); info.Entry == "" || err != nil {
		return nil, corrupt(fmt.Errorf("entry %q: %w", info.Entry, fs.ErrNotExist))
	}
	wasm, err := mapModule(filepath.Join(dir, moduleFile))
	if err != nil {
		return nil, corrupt(err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, corrupt(err)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(cache, maxPages))
	compiled, err := rt.CompileModule(ctx, wasm)
	if err != nil {
		rt.Close(ctx)
		return nil, corrupt(err)
	}
	face, err := faceOf(wasm, export, startFunction, initializeFunction)
	if err != nil {
		rt.Close(ctx)
		return nil, corrupt(err)
	}
	entry, err := entryOf(face.exported, export)
	if err != nil {
		rt.Close(ctx)
		return nil, err
	}
	if err := shareCode(dir, compiled); err != nil {
		rt.Close(ctx)
		return nil, corrupt(err)
	}
	dropBodies(compiled)
	begin, err := openImage(dir)
	if err != nil {
		rt.Close(ctx)
		return nil, corrupt(err)
	}
	return &Module{runtime: rt, compiled: compiled, imported: face.imported, entry: entry, image: begin}, nil
}

func corrupt(err error) error {
	return spec.Failf(spec.CorruptCache, "compiled code: %w", err)
}

// mapModule maps the bytes of the module's skeleton. They come from the same directory as the
// compiled code, which only the compiler writes: a module file that could
// change while it is being decoded would not fit its code. wazero keeps
// pointing into them, for data segments, so the mapping stays; its pages are
// shared by all workers of the module.
func mapModule(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
}

// typed has a function's type: one of ours, or wazero's.
type typed interface {
	ParamTypes() []api.ValueType
	ResultTypes() []api.ValueType
}

// signature writes a function's type as "(i32, i64) -> i32".
func signature(f typed) string {
	names := func(types []api.ValueType) string {
		s := make([]string, len(types))
		for i, t := range types {
			s[i] = api.ValueTypeName(t)
		}
		return strings.Join(s, ", ")
	}
	params := "(" + names(f.ParamTypes()) + ")"
	if results := names(f.ResultTypes()); results != "" {
		return params + " -> " + results
	}
	return params
}
