// SPDX-License-Identifier: Apache-2.0

// Package worker is the confined process around one guest, from the first
// instruction to the exit record; [Compile] is the same for the compiler. The
// daemon's side is package launch, the dialog between them is described in
// package spec.
//
// The process is its own shim. It writes the container's log and its exit
// record itself, answers control calls on a socket that outlives the daemon,
// and ends on a signal at once, all of it beside a guest that may compute
// without ever pausing. Hence the rules of the house: nothing here may stop
// the world (garbage is collected by the guest's own thread, inside host
// calls), and nothing the daemon depends on may need the guest's thread.
package worker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// guestProcessors is how many goroutines run at once from when the guest may begin: signals
// and control calls are served beside a guest that computes. Until then it is one, as the
// daemon has it started: a second would have its threads look for work, and be shut in.
const guestProcessors = 2

// exitSetup is the process's exit code when it never got to be a container.
const exitSetup = 1

// closeOthers closes every descriptor from first on: whatever the daemon's own
// parent leaked into it is none of a guest's business.
func closeOthers(first uint) error {
	if err := unix.CloseRange(first, ^uint(0), 0); err != nil {
		return fmt.Errorf("close inherited descriptors: %w", err)
	}
	return nil
}

// setupConn is the set-up socket.
func setupConn() (*net.UnixConn, error) {
	f := os.NewFile(spec.SetupFD, "setup")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("set-up socket: %w", err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("set-up socket: not a unix socket")
	}
	return unixConn, nil
}

// receive reads the daemon's next message and the one file that comes with it,
// if wantFile. At the daemon's end the error is io.EOF, which means: go
// quietly.
func receive(conn *net.UnixConn, msg any, wantFile bool) (*os.File, error) {
	files, err := wire.Receive(conn, msg)
	if err != nil {
		return nil, err
	}
	if wantFile && len(files) == 1 {
		return files[0], nil
	}
	for _, f := range files {
		f.Close()
	}
	if wantFile || len(files) > 0 {
		return nil, spec.Failf(spec.Internal, "set-up: %T with %d files", msg, len(files))
	}
	return nil, nil
}

// report tells the daemon why there will be no container. Nobody hears it when
// the daemon is gone.
func report(conn *net.UnixConn, err error) int {
	if !errors.Is(err, io.EOF) {
		_ = wire.Send(conn, spec.AsFailure(err))
	}
	return exitSetup
}

// leash ends this process when the daemon is gone or has let go of it: nobody
// would take what it makes, or ever end it.
func leash(conn *net.UnixConn) {
	_, _ = conn.Read(make([]byte, 1))
	os.Exit(exitSignal + int(unix.SIGKILL)) //nolint:forbidigo // main waits for a guest or a compiler
}
