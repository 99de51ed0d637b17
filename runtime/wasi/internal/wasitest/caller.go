// SPDX-License-Identifier: Apache-2.0

package wasitest

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// Caller calls host functions from inside a module, with any argument at all.
type Caller struct {
	tb  testing.TB
	mod api.Module
	fns map[string]api.Function
	// Mem is the module's memory.
	Mem []byte
}

// NewCaller assembles a module with these imports. instantiate registers the host modules.
func NewCaller(tb testing.TB, imports []Import, instantiate func(context.Context, wazero.Runtime) error) *Caller {
	tb.Helper()
	c := newCaller(tb, imports, MemoryPages, instantiate)
	c.Mem, _ = c.mod.Memory().Read(0, c.mod.Memory().Size())
	return c
}

// NewCallerWithoutMemory assembles a module that has no memory at all.
func NewCallerWithoutMemory(tb testing.TB, imports []Import, instantiate func(context.Context, wazero.Runtime) error) *Caller {
	tb.Helper()
	return newCaller(tb, imports, 0, instantiate)
}

func newCaller(tb testing.TB, imports []Import, pages int, instantiate func(context.Context, wazero.Runtime) error) *Caller {
	tb.Helper()
	ctx := context.Background()
	// The interpreter: there is nothing to run fast, and much to compile.
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	tb.Cleanup(func() { check(tb, r.Close(ctx)) })
	check(tb, instantiate(ctx, r))
	mod, err := r.Instantiate(ctx, assemble(imports, pages))
	check(tb, err)
	c := &Caller{tb: tb, mod: mod, fns: map[string]api.Function{}}
	for _, f := range imports {
		c.fns[f.Module+"."+f.Name] = mod.ExportedFunction(f.Module + "." + f.Name)
	}
	return c
}

// Call calls "module.name" and returns its errno. An exit of the guest is an error of type
// *sys.ExitError; any other end, a panic of the host among them, fails the test.
func (c *Caller) Call(fn string, args ...uint64) (wasi.Errno, error) {
	c.tb.Helper()
	f := c.fns[fn]
	if f == nil {
		c.tb.Fatalf("%s: not imported", fn)
	}
	results, err := f.Call(context.Background(), args...)
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return 0, err
	}
	if err != nil {
		c.tb.Fatalf("%s%v: %v", fn, args, err)
	}
	if len(results) == 0 {
		return 0, nil
	}
	// The sockets extension has eleven more, of getaddrinfo.
	if results[0] > uint64(wasi.ENOTCAPABLE)+11 {
		c.tb.Fatalf("%s%v: %d is no errno", fn, args, results[0])
	}
	return wasi.Errno(results[0]), nil
}

// Expect calls a function and fails the test unless it answers this errno.
func (c *Caller) Expect(want wasi.Errno, fn string, args ...uint64) {
	c.tb.Helper()
	got, err := c.Call(fn, args...)
	if err != nil {
		c.tb.Fatalf("%s%v: %v", fn, args, err)
	}
	if got != want {
		c.tb.Fatalf("%s%v: %v, want %v", fn, args, got, want)
	}
}

// Bind is a call that must succeed, for measuring: it does nothing but the call.
func (c *Caller) Bind(fn string, args ...uint64) func() {
	c.tb.Helper()
	f := c.fns[fn]
	if f == nil {
		c.tb.Fatalf("%s: not imported", fn)
	}
	ctx, stack := context.Background(), make([]uint64, max(1, len(args)))
	return func() {
		copy(stack, args)
		if err := f.CallWithStack(ctx, stack); err != nil || stack[0] != 0 {
			c.tb.Fatalf("%s%v: %v, %v", fn, args, wasi.Errno(stack[0]), err)
		}
	}
}

// Put copies bytes into the memory and returns where they are.
func (c *Caller) Put(at uint32, b []byte) uint64 {
	copy(c.Mem[at:], b)
	return uint64(at)
}

// PutVectors writes an array of iovec at a place, each {pointer, length}.
func (c *Caller) PutVectors(at uint32, list ...[2]uint32) uint64 {
	for i, v := range list {
		binary.LittleEndian.PutUint32(c.Mem[at+uint32(8*i):], v[0])
		binary.LittleEndian.PutUint32(c.Mem[at+uint32(8*i)+4:], v[1])
	}
	return uint64(at)
}

// U32 reads a number.
func (c *Caller) U32(at uint64) uint32 { return binary.LittleEndian.Uint32(c.Mem[at:]) }

// U64 reads a number.
func (c *Caller) U64(at uint64) uint64 { return binary.LittleEndian.Uint64(c.Mem[at:]) }

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
