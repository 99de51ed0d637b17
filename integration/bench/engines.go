// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/bytecodealliance/wasmtime-go/v39"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
)

// given is what a guest has: a directory as its descriptor 3, and two pipes.
type given struct {
	dir           string
	stdin, stdout *os.File
}

// guest is an instance of guest.wat.
type guest interface {
	// call calls an exported function, and answers its result if it has one.
	call(name string, args ...int32) (int32, error)
	close() error
}

// engine is a WebAssembly engine with a WASI host.
type engine struct {
	name  string
	start func(ctx context.Context, wasm []byte, has given) (guest, error)
}

// engines are compared in this order. The first is ours.
var engines = []engine{
	{"Wazelet", startWazelet},
	{"wazero's own", startWazero},
	{"wasmtime", startWasmtime},
}

// wazeroGuest runs on wazero, whichever host it has.
type wazeroGuest struct {
	ctx     context.Context
	runtime wazero.Runtime
	module  api.Module
	closers []func() error
}

func newWazeroGuest(ctx context.Context) *wazeroGuest {
	g := &wazeroGuest{ctx: ctx, runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())}
	g.closers = append(g.closers, func() error { return g.runtime.Close(ctx) })
	return g
}

func (g *wazeroGuest) instantiate(wasm []byte, config wazero.ModuleConfig) (guest, error) {
	var err error
	if g.module, err = g.runtime.InstantiateWithConfig(g.ctx, wasm, config); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *wazeroGuest) call(name string, args ...int32) (int32, error) {
	words := make([]uint64, len(args))
	for i, a := range args {
		words[i] = uint64(uint32(a))
	}
	results, err := g.module.ExportedFunction(name).Call(g.ctx, words...)
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return int32(results[0]), nil
}

func (g *wazeroGuest) close() (err error) {
	for _, c := range g.closers {
		err = errors.Join(err, c())
	}
	return err
}

func startWazelet(ctx context.Context, wasm []byte, has given) (guest, error) {
	fd, err := unix.Open(has.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", has.dir, err)
	}
	defer unix.Close(fd)
	system, err := wasi.New(wasi.Options{
		Stdin: wasi.StdioFD(int(has.stdin.Fd())), Stdout: wasi.StdioFD(int(has.stdout.Fd())), Stderr: wasi.StdioFD(2),
		Preopens: []wasi.Preopen{{Path: "/", FD: fd}},
	})
	if err != nil {
		return nil, err
	}
	g := newWazeroGuest(ctx)
	g.closers = append(g.closers, system.Close)
	if err := preview1.Instantiate(ctx, g.runtime, system); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g.instantiate(wasm, wazero.NewModuleConfig())
}

func startWazero(ctx context.Context, wasm []byte, has given) (guest, error) {
	g := newWazeroGuest(ctx)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, g.runtime); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g.instantiate(wasm, wazero.NewModuleConfig().
		WithStdin(has.stdin).WithStdout(has.stdout).WithStderr(os.Stderr).
		WithFSConfig(wazero.NewFSConfig().WithDirMount(has.dir, "/")).
		WithSysWalltime().WithSysNanotime().WithSysNanosleep())
}

// wasmtimeGuest runs on wasmtime, through its C API.
type wasmtimeGuest struct {
	store    *wasmtime.Store
	instance *wasmtime.Instance
}

// startWasmtime gives the guest this process's standard input and output: pipes
// cannot be passed in any other way.
func startWasmtime(_ context.Context, wasm []byte, has given) (guest, error) {
	if err := errors.Join(unix.Dup3(int(has.stdin.Fd()), 0, 0), unix.Dup3(int(has.stdout.Fd()), 1, 0)); err != nil {
		return nil, fmt.Errorf("standard input and output: %w", err)
	}
	config := wasmtime.NewWasiConfig()
	config.InheritStdin()
	config.InheritStdout()
	config.InheritStderr()
	if err := config.PreopenDir(has.dir, "/", wasmtime.DIR_READ|wasmtime.DIR_WRITE, wasmtime.FILE_READ|wasmtime.FILE_WRITE); err != nil {
		return nil, fmt.Errorf("%s: %w", has.dir, err)
	}
	e := wasmtime.NewEngine()
	store := wasmtime.NewStore(e)
	store.SetWasi(config)
	linker := wasmtime.NewLinker(e)
	if err := linker.DefineWasi(); err != nil {
		return nil, err
	}
	module, err := wasmtime.NewModule(e, wasm)
	if err != nil {
		return nil, err
	}
	instance, err := linker.Instantiate(store, module)
	if err != nil {
		return nil, err
	}
	return &wasmtimeGuest{store: store, instance: instance}, nil
}

func (g *wasmtimeGuest) call(name string, args ...int32) (int32, error) {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a
	}
	result, err := g.instance.GetFunc(g.store, name).Call(g.store, values...)
	if err != nil {
		return 0, err
	}
	n, _ := result.(int32) // nil from a function without a result
	return n, nil
}

func (g *wasmtimeGuest) close() error {
	g.store.Close()
	return nil
}
