// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Compile compiles a module into dir, an empty directory: wazero's cache
// entry, the machine code by itself, the module's skeleton, the image of its memory,
// and its Info. A module
// that is none, or that asks for what this host does not have, is refused with a
// *spec.Failure of class Invalid whose text is for the module's author; its Info is
// there all the same, if it could be read that far. Whether there is something to
// run in it, Load decides.
//
// It runs untrusted input through a compiler: it belongs into a confined
// process with a memory limit.
func Compile(ctx context.Context, wasm []byte, dir string) (Info, error) {
	info, o, err := inspect(wasm)
	if err == nil {
		info, err = compileModule(ctx, wasm, o, info, dir)
	}
	if failure, ok := errors.AsType[*spec.Failure](err); ok && failure.Class == spec.Invalid && info.Kind != "" {
		err = errors.Join(err, WriteInfo(dir, info))
	}
	return info, err
}

func compileModule(ctx context.Context, wasm []byte, o *outline, info Info, dir string) (Info, error) {
	var err error
	if wasm, err = rewrite(ctx, wasm, o); err != nil {
		return info, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return info, err
	}
	if err := compileInto(ctx, cache, wasm, o, dir); err != nil {
		return info, errors.Join(err, cache.Close(ctx))
	}
	if err := cache.Close(ctx); err != nil {
		return info, err
	}
	if info.Entry, err = writeSkeleton(ctx, wasm, o, dir); err != nil {
		return info, err
	}
	return info, WriteInfo(dir, info)
}

// writeSkeleton writes what is kept of the module beside its machine code, which
// compileInto has made, and returns the entry under which wazero finds that.
func writeSkeleton(ctx context.Context, wasm []byte, o *outline, dir string) (string, error) {
	entry, err := findEntry(dir)
	if err != nil {
		return "", err
	}
	sections, err := bytecode.Sections(wasm)
	if err != nil {
		return "", err
	}
	found, ok := pieces(sections, o)
	if ok {
		if err := writeImage(dir, found); err != nil {
			return "", err
		}
	}
	bones, err := skeleton(wasm, ok)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, moduleFile), bones, 0o444); err != nil {
		return "", err
	}
	return substitute(ctx, bones, dir, entry)
}

// findEntry returns the one file that wazero's cache has put below dir.
func findEntry(dir string) (string, error) {
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil {
		return "", err
	}
	if len(entries) != 1 {
		return "", fmt.Errorf("compiled code: %d files, want 1", len(entries))
	}
	return filepath.Rel(dir, entries[0])
}

// compileInto compiles the module and checks that its imports fit the host's
// functions, so that no pod finds out only when it starts.
func compileInto(ctx context.Context, cache wazero.CompilationCache, wasm []byte, o *outline, dir string) (err error) {
	rt := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(cache, 0))
	defer rt.Close(ctx)
	ctx = experimental.WithCompilationWorkers(ctx, goruntime.GOMAXPROCS(0))
	module, err := rt.CompileModule(ctx, wasm)
	if err != nil {
		return refuseCompile(err, o)
	}
	defer func() { err = errors.Join(err, module.Close(ctx)) }()
	if err := checkImports(ctx, rt, module); err != nil {
		return err
	}
	return writeCode(dir, module)
}

// checkImports compares the types of imported functions with the host's. That
// the host has functions of those names is known by now.
func checkImports(ctx context.Context, rt wazero.Runtime, module wazero.CompiledModule) (err error) {
	system, err := wasi.New(wasi.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, system.Close()) }()
	if err := link(ctx, rt, module.ImportedFunctions(), system, &httpcall.Outbound{}); err != nil {
		return err
	}
	for _, f := range module.ImportedFunctions() {
		from, name, _ := f.Import()
		host := rt.Module(from)
		if host == nil {
			return fmt.Errorf("host module %s: not instantiated", from)
		}
		have, found := host.ExportedFunctionDefinitions()[name]
		if !found {
			return spec.Failf(spec.Invalid, "module imports %s.%s as %s, which no version of that function is", from, name, signature(f))
		}
		if want, is := signature(f), signature(have); want != is {
			return spec.Failf(spec.Invalid, "module imports %s.%s as %s, but it is %s", from, name, want, is)
		}
	}
	return nil
}
