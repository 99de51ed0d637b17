// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	goruntime "runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/confine"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Exec makes this process a command beside a container's guest and returns its
// exit code. It is called once, in the container's namespaces, with the stdio of
// the command and the set-up socket in place; newClient as in Container.
func Exec(ctx context.Context, newClient httpcall.NewClient) int {
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
	signals := make(chan os.Signal, 4)
	instance, interrupts, err := setupExec(ctx, conn, newClient, func() {
		signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP)
	})
	if err != nil {
		return report(conn, err)
	}
	goruntime.GOMAXPROCS(guestProcessors)
	go obey(signals, interrupts)
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

// setupExec is the dialog with the daemon up to a loaded program; meanwhile is as of
// load. interrupts is where the program wants to be told of them, nil where it ends by them.
func setupExec(ctx context.Context, conn *net.UnixConn, newClient httpcall.NewClient, meanwhile func()) (instance *engine.Instance, interrupts *os.File, err error) {
	var e spec.Exec
	files, err := wire.Receive(conn, &e)
	if err != nil {
		return nil, nil, err
	}
	var procfs *os.File
	if len(files) > 0 {
		procfs = files[0]
		defer procfs.Close()
	}
	if e.UserNS != (len(files) == 1) || len(files) > 1 {
		return nil, nil, spec.Failf(spec.Internal, "set-up: command with %d files", len(files))
	}
	loader, err := confine.Exec(&e, procfs)
	if err != nil {
		return nil, nil, err
	}
	module, builtin, err := loadCommand(ctx, conn, loader, &e, meanwhile)
	if err != nil {
		return nil, nil, err
	}
	root, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("root: %w", err)
	}
	defer unix.Close(root)
	collector := engine.NewCollector()
	options := wasi.Options{
		Args: e.Args, Env: e.Env,
		Stdin: wasi.StdioFD(0), Stdout: wasi.StdioFD(1), Stderr: wasi.StdioFD(2),
		Preopens: []wasi.Preopen{{Path: "/", FD: root}},
		Collect:  collector.Collect,
	}
	if builtin && onTerminal() {
		heard, told, err := interruptPair()
		if err != nil {
			return nil, nil, err
		}
		defer unix.Close(heard)
		options.Listeners = []wasi.Listener{{FD: heard, Name: spec.SignalsName}}
		interrupts = told
	}
	outbound, err := newOutbound(e.Outbound, e.Env, newClient, os.Stderr)
	if err != nil {
		return nil, nil, err
	}
	if instance, err = module.Prepare(ctx, options, outbound); err != nil {
		return nil, nil, err
	}
	return instance, interrupts, seal(collector, e.NoDialing, e.AppArmor, e.Seccomp)
}

// onTerminal says whether the command has a terminal, which alone interrupts.
func onTerminal() bool {
	_, err := unix.IoctlGetTermios(0, unix.TCGETS)
	return err == nil
}

// interruptPair returns the program's end, which it is handed as a connection, and
// the worker's.
func interruptPair() (program int, worker *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("interrupts: %w", err)
	}
	return fds[0], os.NewFile(uintptr(fds[1]), "interrupts"), nil
}

// loadCommand loads the program argv[0] names: the file of the root or, where
// there is none, what the daemon has under that name.
func loadCommand(ctx context.Context, conn *net.UnixConn, loader *confine.Loader, e *spec.Exec, meanwhile func()) (module *engine.Module, builtin bool, err error) {
	p, err := resolve(command{args: e.Args, env: e.Env, cwd: e.Cwd})
	if err == nil {
		module, err = load(ctx, conn, loader, p, e.MemoryMaxPages, meanwhile)
		return module, false, err
	}
	if failure, ok := errors.AsType[*spec.Failure](err); !ok || failure.Class != spec.NotFound {
		return nil, false, err
	}
	if err := wire.Send(conn, spec.Resolved{Path: e.Args[0], Missing: err.Error()}); err != nil {
		return nil, false, err
	}
	meanwhile()
	return loadAnswer(ctx, conn, loader, e.MemoryMaxPages, "")
}

// interruptPatience bounds the wait for room for one more interrupt: a program
// that has left so many unread wants none.
const interruptPatience = 100 * time.Millisecond

// obey ends the command on the first signal, such as its terminal's. Interrupts
// are passed on where the program wants them.
func obey(signals <-chan os.Signal, interrupts *os.File) {
	for sig := range signals {
		if sig == unix.SIGINT && interrupts != nil {
			_ = interrupts.SetWriteDeadline(time.Now().Add(interruptPatience))
			if _, err := interrupts.Write([]byte{byte(unix.SIGINT)}); err == nil {
				continue
			}
		}
		number, _ := sig.(syscall.Signal)
		os.Exit(exitSignal + int(number)) //nolint:forbidigo // main waits for a guest that may never return
	}
}
