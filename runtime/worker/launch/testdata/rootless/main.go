// SPDX-License-Identifier: Apache-2.0

// Rootless runs a module in the foreground as an ordinary user would: compiled
// and confined in user namespaces. Its arguments are the worker, the module, a
// directory of its own, one to mount at /data, and the guest's arguments.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func main() {
	code, err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(125)
	}
	os.Exit(code)
}

func run(ctx context.Context, worker, module, dir, data string, args []string) (int, error) {
	wasm, err := os.Open(module)
	if err != nil {
		return 0, err
	}
	compiled := filepath.Join(dir, "compiled")
	if err := os.Mkdir(compiled, 0o700); err != nil {
		return 0, err
	}
	if err := launch.Compiler(ctx, launch.CompilerOptions{WorkerPath: worker, Module: wasm, OutDir: compiled, Rootless: true}); err != nil {
		return 0, err
	}
	exit, err := os.Create(filepath.Join(dir, "exit"))
	if err != nil {
		return 0, err
	}
	socket := filepath.Join(dir, "control.sock")
	listener, err := control.Listen(socket)
	if err != nil {
		return 0, err
	}
	p, err := launch.Container(ctx, launch.Options{
		WorkerPath: worker, Module: wasm, Exit: exit, Control: listener,
		Spec: spec.Container{
			ID: "rootless", Args: append([]string{"guest"}, args...), Cwd: "/",
			Module: &spec.ModuleFile{Name: "guest.wasm"}, Foreground: true, Rootless: true,
			Mounts: []spec.Mount{{Type: spec.MountBind, Source: data, Destination: "/data"}},
		},
	}, func(context.Context, *os.File) (*os.File, string, error) {
		f, err := os.Open(compiled)
		return f, "sha256:0", err
	})
	if err != nil {
		return 0, err
	}
	if _, err := control.Dial(socket).Start(ctx); err != nil {
		return 0, err
	}
	status, err := p.Wait(ctx)
	return int(status.Code), err
}
