// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sock"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
)

// readyLine is what a server says when its socket is open.
const readyLine = "ready\n"

// serve is a process that runs a server in the module: HOST MODULE CACHE PORT ARGS...
// The listener is the guest's descriptor 3.
func serve(ctx context.Context, args []string) error {
	if len(args) < 4 {
		return errors.New("serve: what?")
	}
	host, file, cacheDir, port, guestArgs := args[0], args[1], args[2], args[3], append([]string{"httpguest"}, args[4:]...)
	wasm, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return err
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))
	module, err := r.CompileModule(ctx, wasm)
	if err != nil {
		return err
	}
	config := wazero.NewModuleConfig().WithStartFunctions()
	switch host {
	case "wazelet":
		err = hostWazelet(ctx, r, port, guestArgs)
	case "wazero":
		ctx, config, err = hostWazero(ctx, r, port, guestArgs, config)
	default:
		err = fmt.Errorf("serve: no host %q", host)
	}
	if err != nil {
		return err
	}
	instance, err := r.InstantiateModule(ctx, module, config)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(readyLine); err != nil {
		return err
	}
	_, err = instance.ExportedFunction("_start").Call(ctx)
	return err
}

func hostWazelet(ctx context.Context, r wazero.Runtime, port string, args []string) error {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	defer l.Close() // the host has its own descriptor
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	system, err := wasi.New(wasi.Options{
		Args: args, Stderr: wasi.StdioFD(2), Listeners: []wasi.Listener{{FD: int(file.Fd())}},
	})
	if err != nil {
		return err
	}
	return preview1.Instantiate(ctx, r, system)
}

func hostWazero(ctx context.Context, r wazero.Runtime, port string, args []string, config wazero.ModuleConfig) (context.Context, wazero.ModuleConfig, error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return ctx, config, err
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return ctx, config, err
	}
	ctx = sock.WithConfig(ctx, sock.NewConfig().WithTCPListener("127.0.0.1", number))
	return ctx, config.WithArgs(args...).WithStderr(os.Stderr).WithSysWalltime().WithSysNanotime().WithSysNanosleep(), nil
}
