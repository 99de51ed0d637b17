// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
	"github.com/wazelet/wazelet/runtime/wasi/wasmedge"
)

// Instance is a module with its host, before and while it runs.
type Instance struct {
	module *Module
	system *wasi.System
}

// Prepare gives the module its WASI host. No code of the guest runs, but after
// it nothing more needs to be made executable.
func (m *Module) Prepare(ctx context.Context, options wasi.Options) (*Instance, error) {
	system, err := wasi.New(options)
	if err != nil {
		return nil, err
	}
	if err := preview1.Instantiate(ctx, m.runtime, system, wasmedge.Extension(m.compiled.ImportedFunctions())...); err != nil {
		return nil, errors.Join(err, system.Close())
	}
	return &Instance{module: m, system: system}, nil
}

// Run runs the guest on the calling goroutine until it ends. It returns the
// guest's exit code: what it gave to proc_exit, or 0 when _start returned. A
// guest that faults ends with a *Trap as the error; any other error means that
// it could not be started.
func (i *Instance) Run(ctx context.Context) (code uint32, err error) {
	defer func() {
		// wazero has no error for a memory that cannot be had.
		if r := recover(); r != nil {
			err = fmt.Errorf("instance: %v", r)
		}
	}()
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocateMemory))
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	instance, err := i.module.runtime.InstantiateModule(ctx, i.module.compiled, config)
	if err != nil {
		return exitOf(err)
	}
	start := instance.ExportedFunction("_start")
	if start == nil {
		return 0, errors.New("instance: _start is no function")
	}
	_, err = start.Call(ctx)
	return exitOf(err)
}

// Drain lets the guest finish what it serves; the channel is closed when that
// is nothing. It may be called beside Run; see wasi.System.
func (i *Instance) Drain() <-chan struct{} { return i.system.Drain() }

// exitOf reads the three ways in which a guest ends.
func exitOf(err error) (uint32, error) {
	if err == nil {
		return 0, nil
	}
	if exit, ok := errors.AsType[*sys.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, newTrap(err)
}
