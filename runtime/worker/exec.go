// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/worker/confine"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Exec makes this process a command beside a container's guest and returns its
// exit code. It is called once, in the container's namespaces, with the stdio of
// the command and the set-up socket in place.
func Exec(ctx context.Context) int {
	// The daemon starts this program from its own directory, which the
	// container's mount namespace does not have: it must not stay in reach.
	if err := unix.Chdir("/"); err != nil {
		return exitSetup
	}
	if err := closeOthers(spec.SetupFD + 1); err != nil {
		return exitSetup
	}
	conn, err := setupConn()
	if err != nil {
		return exitSetup
	}
	instance, err := setupExec(ctx, conn)
	if err != nil {
		return report(conn, err)
	}
	go obeyAtOnce()
	if err := wire.Send(conn, spec.Ready{}); err != nil {
		return exitSetup
	}
	go leash(conn)
	code, err := instance.Run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, lastWords(err))
		return exitTrap
	}
	return int(exitCode(code))
}

// setupExec is the dialog with the daemon up to a loaded program.
func setupExec(ctx context.Context, conn *net.UnixConn) (*engine.Instance, error) {
	var e spec.Exec
	if _, err := receive(conn, &e, false); err != nil {
		return nil, err
	}
	loader, err := confine.Exec(&e)
	if err != nil {
		return nil, err
	}
	module, err := loadCommand(ctx, conn, loader, &e)
	if err != nil {
		return nil, err
	}
	root, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	defer unix.Close(root)
	collector := engine.NewCollector()
	instance, err := module.Prepare(ctx, wasi.Options{
		Args: e.Args, Env: e.Env,
		Stdin: wasi.StdioFD(0), Stdout: wasi.StdioFD(1), Stderr: wasi.StdioFD(2),
		Preopens: []wasi.Preopen{{Path: "/", FD: root}},
		Collect:  collector.Collect,
	})
	if err != nil {
		return nil, err
	}
	return instance, seal(collector, e.NoDialing)
}

// loadCommand loads the program argv[0] names: the file of the root or, where
// there is none, what the daemon has under that name.
func loadCommand(ctx context.Context, conn *net.UnixConn, loader *confine.Loader, e *spec.Exec) (*engine.Module, error) {
	program, name, err := resolve(command{args: e.Args, env: e.Env, cwd: e.Cwd})
	if err == nil {
		return load(ctx, conn, loader, program, name, e.MemoryMaxPages)
	}
	if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.NotFound {
		return nil, err
	}
	if err := wire.Send(conn, spec.Resolved{Path: e.Args[0], Missing: err.Error()}); err != nil {
		return nil, err
	}
	return loadAnswer(ctx, conn, loader, e.MemoryMaxPages)
}

// leash ends the command when the daemon is gone or has let go of it: nobody
// would read what it writes, or ever end it.
func leash(conn *net.UnixConn) {
	_, _ = conn.Read(make([]byte, 1))
	os.Exit(exitSignal + int(unix.SIGKILL)) //nolint:forbidigo // main waits for a guest that may never return
}

// obeyAtOnce ends the command on the first signal, such as its terminal's.
func obeyAtOnce() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP)
	number, _ := (<-signals).(syscall.Signal)
	os.Exit(exitSignal + int(number)) //nolint:forbidigo // main waits for a guest that may never return
}
