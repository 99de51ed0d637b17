// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wazelet/wazelet/runtime/engine/lower"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
	"github.com/wazelet/wazelet/runtime/wasi/wasmedge"
)

// Instance is a module with its host, before and while it runs.
type Instance struct {
	module *Module
	system *wasi.System
}

// Prepare gives the module its WASI host, which makes the HTTP requests that
// outbound allows. No code of the guest runs, but after it nothing more needs to be
// made executable.
func (m *Module) Prepare(ctx context.Context, options wasi.Options, outbound *httpcall.Outbound) (*Instance, error) {
	system, err := wasi.New(options)
	if err != nil {
		return nil, err
	}
	if err := m.link(ctx, system, outbound); err != nil {
		return nil, errors.Join(err, system.Close())
	}
	return &Instance{module: m, system: system}, nil
}

func (m *Module) link(ctx context.Context, system *wasi.System, outbound *httpcall.Outbound) error {
	return link(ctx, m.runtime, m.imported, system, outbound)
}

// link registers the host modules that a module imports functions of, for the guest of
// system or, without it, for whoever calls.
func link[F guest.Imported](ctx context.Context, rt wazero.Runtime, imported []F, system *wasi.System, outbound *httpcall.Outbound) error {
	if err := preview1.InstantiateFor(ctx, rt, imported, system, wasmedge.Extension(imported)...); err != nil {
		return err
	}
	if !httpcall.Imported(imported) {
		return nil
	}
	return httpcall.Instantiate(ctx, rt, system, outbound)
}

// Run runs the guest on the calling goroutine until it ends. It returns the
// guest's exit code: what it gave to proc_exit, what its function returned, or 0. A
// guest that faults ends with a *Trap as the error; any other error means that
// it could not be started.
func (i *Instance) Run(ctx context.Context) (code uint32, err error) {
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(i.module.allocate))
	return i.module.run(ctx, true)
}

// run runs one instance of the module, with the memory and the host that ctx
// says, and closes it. last says that no other will be made of it.
func (m *Module) run(ctx context.Context, last bool) (code uint32, err error) {
	defer func() {
		// wazero has no error for a memory that cannot be had.
		if r := recover(); r != nil {
			err = fmt.Errorf("instance: %v", r)
		}
	}()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, config)
	if err != nil {
		return exitOf(err)
	}
	defer instance.Close(ctx)
	if last {
		dropElements(m.compiled)
	}
	if err := uncaught(instance); err != nil {
		return 0, err
	}
	if code, err = m.entry.call(ctx, instance); err != nil {
		return exitOf(err)
	}
	return code, uncaught(instance)
}

// uncaught is the fault of a guest that returned with an exception which it
// did not catch; nil when there is none.
func uncaught(instance api.Module) error {
	if pending := instance.ExportedGlobal(lower.Uncaught); pending != nil && pending.Get() != 0 {
		return &Trap{Message: "wasm trap: uncaught exception"}
	}
	return nil
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
