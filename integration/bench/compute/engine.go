// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/bytecodealliance/wasmtime-go/v39"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// engineCommand runs a module on an engine as it is, with its own WASI host:
//
//	engine wazero|wazero-flag CACHE MODULE ARGUMENTS…   CACHE is a folder
//	engine wasmtime CACHE MODULE ARGUMENTS…             CACHE is a file
//
// The cache has the module's machine code; it is filled when it lacks it.
func engineCommand(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("engine: which, with which cache, and what is to run?")
	}
	cache, module, words := args[1], args[2], args[2:]
	switch args[0] {
	case "wazero":
		return runWazero(ctx, cache, module, words, false)
	case "wazero-flag":
		return runWazero(ctx, cache, module, words, true)
	case "wasmtime":
		return runWasmtime(cache, module, words)
	}
	return fmt.Errorf("engine: none is named %q", args[0])
}

// runWazero runs a module on wazero; with terminable, as it must be compiled so that
// whoever closes the context ends the guest.
func runWazero(ctx context.Context, cache, module string, args []string, terminable bool) (err error) {
	wasm, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	compiled, err := wazero.NewCompilationCacheWithDir(cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, compiled.Close(ctx)) }()
	config := wazero.NewRuntimeConfigCompiler().WithCompilationCache(compiled).WithCloseOnContextDone(terminable)
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer func() { err = errors.Join(err, rt.Close(ctx)) }()
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, rt); err != nil {
		return err
	}
	_, err = rt.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().
		WithArgs(args...).WithStdout(os.Stdout).WithStderr(os.Stderr).
		WithSysWalltime().WithSysNanotime().WithSysNanosleep())
	if exit, ok := errors.AsType[*sys.ExitError](err); ok && exit.ExitCode() == 0 {
		return nil
	}
	return err
}

func runWasmtime(cache, file string, args []string) error {
	engine := wasmtime.NewEngine()
	module, err := wasmtimeModule(engine, cache, file)
	if err != nil {
		return err
	}
	config := wasmtime.NewWasiConfig()
	config.SetArgv(args)
	config.InheritStdout()
	config.InheritStderr()
	store := wasmtime.NewStore(engine)
	defer store.Close()
	store.SetWasi(config)
	linker := wasmtime.NewLinker(engine)
	if err := linker.DefineWasi(); err != nil {
		return err
	}
	instance, err := linker.Instantiate(store, module)
	if err != nil {
		return err
	}
	_, err = instance.GetFunc(store, "_start").Call(store)
	if exit, ok := errors.AsType[*wasmtime.Error](err); ok {
		if code, exited := exit.ExitStatus(); exited && code == 0 {
			return nil
		}
	}
	return err
}

// wasmtimeModule takes the module's machine code from the cache, or puts it there.
func wasmtimeModule(engine *wasmtime.Engine, cache, file string) (*wasmtime.Module, error) {
	if _, err := os.Stat(cache); err == nil {
		return wasmtime.NewModuleDeserializeFile(engine, cache)
	}
	module, err := wasmtime.NewModuleFromFile(engine, file)
	if err != nil {
		return nil, err
	}
	code, err := module.Serialize()
	if err != nil {
		return nil, err
	}
	return module, os.WriteFile(cache, code, 0o644)
}
