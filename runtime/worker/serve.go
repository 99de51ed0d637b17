// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"net"
	"os"
	goruntime "runtime"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/wagi"
)

// prepareServer makes the worker the server: it keeps the listeners, and the
// module runs for each request. Nothing of the guest's runs yet.
func (g *guest) prepareServer(ctx context.Context, module *engine.Module, preopens []wasi.Preopen, outbound *httpcall.Outbound) error {
	program, err := module.PrepareProgram(ctx, g.collector, outbound)
	if err != nil {
		return err
	}
	for i, p := range preopens {
		// The caller closes its own; every guest's host gets one of this.
		if preopens[i].FD, err = unix.FcntlInt(uintptr(p.FD), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return fmt.Errorf("preopen %s: %w", p.Path, err)
		}
	}
	for _, f := range g.sockets {
		l, err := net.FileListener(f)
		if err != nil {
			return fmt.Errorf("listener %s: %w", f.Name(), err)
		}
		g.listeners = append(g.listeners, l)
	}
	// A guest that computes keeps its processor: one each, and two for the rest.
	// It must be before the first: to change it stops the world.
	goruntime.GOMAXPROCS(g.container.HTTP.Concurrency + 2)
	g.server = wagi.New(wagi.Options{
		Program: program, Env: g.container.Env, Preopens: preopens, Log: g.errors,
		Concurrency: g.container.HTTP.Concurrency, Timeout: g.container.HTTP.Timeout,
		Fatal: func(message string) { os.Exit(g.fault(message, message)) }, //nolint:forbidigo // the guest at fault cannot be ended otherwise
	})
	return nil
}

// serve serves until the container is stopped.
func (g *guest) serve(ctx context.Context) int {
	if err := g.server.Serve(ctx, g.listeners); err != nil {
		return g.fault(err.Error(), err.Error())
	}
	select {} // whoever drained the server ends the process
}

// drain has what is being served come to its end; the channel says when.
func (g *guest) drain() <-chan struct{} {
	if g.server != nil {
		return g.server.Drain()
	}
	return g.instance.Drain()
}
