// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
)

// Program is a module that runs many times, several of them at once, each time
// as a new guest with memory and host of its own.
type Program struct {
	module *Module
	gate   gate
}

// PrepareProgram gives the module host functions that serve all its guests. No
// code of a guest runs, but after it nothing more needs to be made executable.
// It takes the place of Prepare. From then on the collector is the program's.
func (m *Module) PrepareProgram(ctx context.Context, collector *Collector, outbound *httpcall.Outbound) (*Program, error) {
	if err := m.link(ctx, nil, outbound); err != nil {
		return nil, err
	}
	return &Program{module: m, gate: gate{collector: collector}}, nil
}

// Guest is one run of a program.
type Guest struct {
	program   *Program
	system    *wasi.System
	computing atomic.Bool
	memories  []experimental.LinearMemory
}

// Guest makes a guest, which must then be run. The option Collect is the
// program's to set.
func (p *Program) Guest(options wasi.Options) (*Guest, error) {
	options.Collect = p.gate.collect
	system, err := wasi.New(options)
	if err != nil {
		return nil, err
	}
	return &Guest{program: p, system: system}, nil
}

// Run runs the guest on the calling goroutine until it ends, and gives back all
// it had. Its results are those of [Instance.Run].
func (g *Guest) Run(ctx context.Context) (code uint32, err error) {
	defer g.program.gate.look()
	defer g.release()
	g.depart()
	defer g.arrive()
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(g.allocate))
	ctx = guest.WithCaller(ctx, &guest.Caller{Sys: g.system, Arrive: g.arrive, Depart: g.depart})
	return g.program.module.run(ctx, false)
}

// Interrupt ends the guest with this exit code in the host call it is in, or at
// its next one. A guest that makes none computes on: see Computing.
func (g *Guest) Interrupt(code uint32) { g.system.Interrupt(code) }

// Computing reports whether the guest is in its own code, where nothing can
// reach it.
func (g *Guest) Computing() bool { return g.computing.Load() }

func (g *Guest) depart() {
	g.program.gate.enter()
	g.computing.Store(true)
}

// arrive may find that the guest has arrived before: it ended in a host call.
func (g *Guest) arrive() {
	if g.computing.CompareAndSwap(true, false) {
		g.program.gate.leave()
	}
}

// allocate keeps account of the guest's memories: wazero does not free those of
// an instance whose start function fails.
func (g *Guest) allocate(size, max uint64) experimental.LinearMemory {
	m := g.program.module.allocate(size, max)
	g.memories = append(g.memories, m)
	return m
}

// release gives back what is the guest's alone.
func (g *Guest) release() {
	for _, m := range g.memories {
		m.Free()
	}
	// Descriptors of a guest that is gone: nobody can be told of an error.
	_ = g.system.Close()
}
