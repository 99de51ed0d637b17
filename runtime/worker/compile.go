// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/worker/confine"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Compile makes this process the compiler of one module and returns its exit
// code. The dialog is one message each way: spec.Compile with the module and
// the output directory, then spec.Compiled or a Failure.
func Compile(ctx context.Context) int {
	if err := closeOthers(spec.SetupFD + 1); err != nil {
		return exitSetup
	}
	conn, err := setupConn()
	if err != nil {
		return exitSetup
	}
	defer conn.Close()
	if err := compile(ctx, conn); err != nil {
		return report(conn, err)
	}
	if err := wire.Send(conn, spec.Compiled{}); err != nil {
		return exitSetup
	}
	return 0
}

func compile(ctx context.Context, conn *net.UnixConn) error {
	var job spec.Compile
	files, err := wire.Receive(conn, &job)
	if err != nil {
		return err
	}
	if len(files) != 2 {
		return spec.Failf(spec.Internal, "set-up: compile with %d files", len(files))
	}
	go leash(conn)
	module, out := files[0], files[1]
	if err := confine.Compiler(out, job.UID, job.GID, job.Rootless); err != nil {
		return err
	}
	out.Close()
	wasm, err := readModule(module, job.MaxBytes)
	if err != nil {
		return err
	}
	_, err = engine.Compile(ctx, wasm, confine.CompilerOutput)
	return err
}

func readModule(f *os.File, limit int64) ([]byte, error) {
	defer f.Close()
	wasm, err := io.ReadAll(io.NewSectionReader(f, 0, limit+1))
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	if int64(len(wasm)) > limit {
		return nil, spec.Failf(spec.Invalid, "module is larger than %d bytes", limit)
	}
	return wasm, nil
}
