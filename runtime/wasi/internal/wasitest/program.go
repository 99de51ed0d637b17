// SPDX-License-Identifier: Apache-2.0

package wasitest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// Program is a Go program compiled for wasip1, and to machine code, once for all tests that run it.
type Program struct {
	// Dir is its package's directory.
	Dir string

	once  sync.Once
	err   error
	wasm  []byte
	cache wazero.CompilationCache
}

func (p *Program) build() {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		p.err = err
		return
	}
	defer func() { p.err = errors.Join(p.err, os.RemoveAll(dir)) }()
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-p", "1", "-o", out, ".")
	cmd.Dir = p.Dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		p.err = errors.New(string(text))
		return
	}
	if p.wasm, p.err = os.ReadFile(out); p.err != nil {
		return
	}
	// This runtime stays: the cache forgets what no runtime holds any more.
	ctx := context.Background()
	p.cache = wazero.NewCompilationCache()
	_, p.err = p.runtime(ctx).CompileModule(ctx, p.wasm)
}

func (p *Program) runtime(ctx context.Context) wazero.Runtime {
	return wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(p.cache))
}

// Run runs the program to its end and returns its exit code.
func (p *Program) Run(tb testing.TB, instantiate func(context.Context, wazero.Runtime) error) uint32 {
	tb.Helper()
	if p.once.Do(p.build); p.err != nil {
		tb.Fatal(p.err)
	}
	ctx := context.Background()
	r := p.runtime(ctx)
	defer func() { check(tb, r.Close(ctx)) }()
	check(tb, instantiate(ctx, r))
	_, err := r.Instantiate(ctx, p.wasm)
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	check(tb, err)
	return 0
}

// Running is a program started beside the test.
type Running struct {
	code chan uint32
	sys  *wasi.System
}

// Start runs the program beside the test. The test interrupts it or sees it end.
func (p *Program) Start(tb testing.TB, s *wasi.System, instantiate func(context.Context, wazero.Runtime) error) *Running {
	tb.Helper()
	r := &Running{code: make(chan uint32, 1), sys: s}
	go func() {
		defer close(r.code)
		r.code <- p.Run(tb, instantiate)
	}()
	return r
}

// Wait returns the exit code.
func (r *Running) Wait() uint32 { return <-r.code }

// Stop interrupts the program and returns its exit code.
func (r *Running) Stop(code uint32) uint32 {
	r.sys.Interrupt(code)
	return r.Wait()
}
