// SPDX-License-Identifier: Apache-2.0

package tiny_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
	"github.com/wazelet/wazelet/integration/guests/tiny"
)

// run runs a module on the engine as released, which is the judge of whether the
// bytes mean what they should.
func run(t *testing.T, wasm []byte) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	config := wazero.NewRuntimeConfigInterpreter().WithCloseOnContextDone(true).WithMemoryLimitPages(64)
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(context.Background())
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	var out, errs bytes.Buffer
	_, err = r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStdout(&out).WithStderr(&errs).WithSysNanosleep())
	return out.String(), errs.String(), err
}

func TestPrint(t *testing.T) {
	stdout, stderr, err := run(t, tiny.Print("to out\n", "to err\n", 7))
	if stdout != "to out\n" || stderr != "to err\n" {
		t.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
	var exit *sys.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("ended with %v, want exit code 7", err)
	}
}

func TestTraps(t *testing.T) {
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"unreachable":    {tiny.Trap(), "unreachable"},
		"divide by zero": {tiny.DivideByZero(), "integer divide by zero"},
		"out of bounds":  {tiny.OutOfBounds(), "out of bounds memory access"},
		"recurse":        {tiny.Recurse(), "stack overflow"},
		"hog":            {tiny.Hog(), "unreachable"}, // at the memory limit of run
		"missing import": {tiny.MissingImport(), "module[env] not instantiated"},
		"truncated":      {tiny.Truncated(), "unexpected EOF"},
		"component":      {tiny.Component(), "version"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := run(t, c.wasm)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ended with %v, want %q", err, c.want)
			}
		})
	}
}

func TestSpin(t *testing.T) {
	_, _, err := run(t, tiny.Spin())
	var exit *sys.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != sys.ExitCodeDeadlineExceeded {
		t.Errorf("ended with %v, want the deadline", err)
	}
}

func TestPause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCloseOnContextDone(true))
	defer r.Close(context.Background())
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	var out bytes.Buffer
	var naps []int64
	config := wazero.NewModuleConfig().WithStdout(&out).WithNanosleep(func(ns int64) {
		if naps = append(naps, ns); len(naps) == 3 {
			cancel()
		}
	})
	_, err := r.InstantiateWithConfig(ctx, tiny.Pause("up\n"), config)
	if out.String() != "up\n" {
		t.Errorf("stdout %q", out.String())
	}
	if len(naps) < 3 || naps[0] != int64(time.Hour) {
		t.Errorf("slept %v, want an hour again and again; ended with %v", naps, err)
	}
}

func TestSmall(t *testing.T) {
	if n := len(tiny.Hello("Hello, world!\n")); n > 600 {
		t.Errorf("hello has %d bytes, meant to be tiny", n)
	}
	if _, _, err := run(t, tiny.NoStart()); err != nil {
		t.Errorf("a module without _start is valid: %v", err)
	}
}

func TestTouch(t *testing.T) {
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	dir := t.TempDir()
	for file, want := range map[string]uint32{"made": 0, "nowhere/made": 44} { // 44: ENOENT
		config := wazero.NewModuleConfig().WithName(file).WithFSConfig(wazero.NewFSConfig().WithDirMount(dir, "/"))
		_, err := r.InstantiateWithConfig(ctx, tiny.Touch(file), config)
		var code uint32 // no error is the exit with 0
		if exit, ok := errors.AsType[*sys.ExitError](err); ok {
			code, err = exit.ExitCode(), nil
		}
		if err != nil || code != want {
			t.Errorf("%s: ended with %d, %v, want exit code %d", file, code, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Error(err)
	}
}
