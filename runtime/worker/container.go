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
	"sync"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/calls"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/confine"
	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Container makes this process a container's worker and returns its exit code.
// It is called once, with the descriptors of package spec in place. newClient makes
// the guest's HTTP client if the container asks for one; see Main.
func Container(ctx context.Context, newClient httpcall.NewClient) int {
	return container(ctx, newClient, setup)
}

// Entered is Container for a process that a container's worker has become by
// executing itself anew with the container's label (confine.Become).
func Entered(ctx context.Context, newClient httpcall.NewClient) int {
	// Where this program was found must not stay in reach.
	if err := unix.Chdir("/"); err != nil {
		return exitSetup
	}
	return container(ctx, newClient, setupEntered)
}

type setupFunc func(ctx context.Context, conn *net.UnixConn, newClient httpcall.NewClient) (*guest, error)

func container(ctx context.Context, newClient httpcall.NewClient, setup setupFunc) int {
	if err := closeOthers(spec.CallsFD + 1); err != nil {
		return exitSetup
	}
	conn, err := setupConn()
	if err != nil {
		return exitSetup
	}
	defer conn.Close()
	g, err := setup(ctx, conn, newClient)
	if err != nil {
		return report(conn, err)
	}
	goruntime.GOMAXPROCS(guestProcessors)
	// From here on every end leaves a record.
	go g.obeySignals()
	go g.serveControl()
	if err := wire.Send(conn, spec.Ready{}); err != nil {
		return exitSetup // the daemon is gone, and nobody knows this container
	}
	conn.Close()
	<-g.gate
	return g.run(ctx)
}

// setup is the dialog with the daemon up to a loaded module.
func setup(ctx context.Context, conn *net.UnixConn, newClient httpcall.NewClient) (*guest, error) {
	var c spec.Container
	files, err := wire.Receive(conn, &c)
	if err != nil {
		return nil, err
	}
	var module *os.File
	if len(files) > 0 {
		module = files[0]
		defer module.Close()
	}
	if (c.Module != nil && !c.UserNS) != (len(files) == 1) || len(files) > 1 {
		return nil, spec.Failf(spec.Internal, "set-up: container with %d files", len(files))
	}
	sources, err := receiveSources(conn, c.Sources())
	if err != nil {
		return nil, err
	}
	if c.ProcessLabel != "" {
		if err := leave(conn); err != nil {
			return nil, err
		}
		return nil, confine.Become(&c, module, sources, []string{os.Args[0], ModeEntered})
	}
	g, err := newGuest(&c)
	if err != nil {
		return nil, err
	}
	loader, err := confine.Container(&c, module, sources)
	if err != nil {
		return nil, err
	}
	return g, g.load(ctx, conn, loader, newClient)
}

// ModeEntered is the word on the command line by which the program runs [Entered].
const ModeEntered = "entered"

// leave puts the set-up socket where this program expects it when it is executed.
func leave(conn *net.UnixConn) error {
	if err := put(conn, spec.SetupFD); err != nil {
		return fmt.Errorf("set-up socket: %w", err)
	}
	return nil
}

// setupEntered goes on with the dialog where the root is built and entered.
func setupEntered(ctx context.Context, conn *net.UnixConn, newClient httpcall.NewClient) (*guest, error) {
	if err := wire.Send(conn, spec.Entered{}); err != nil {
		return nil, err
	}
	var c spec.Container
	procfs, err := receive(conn, &c, true)
	if err != nil {
		return nil, err
	}
	defer procfs.Close()
	g, err := newGuest(&c)
	if err != nil {
		return nil, err
	}
	loader, err := confine.Entered(&c, procfs)
	if err != nil {
		return nil, err
	}
	return g, g.load(ctx, conn, loader, newClient)
}

// load loads the program and gives up the last rights.
func (g *guest) load(ctx context.Context, conn *net.UnixConn, loader *confine.Loader, newClient httpcall.NewClient) error {
	c := g.container
	p, err := resolve(command{module: c.Module, args: c.Args, env: c.Env, cwd: c.Cwd})
	if err != nil {
		return err
	}
	loaded, err := load(ctx, conn, loader, p, c.MemoryMaxPages, g.hearSignals)
	if err != nil {
		return err
	}
	outbound, err := newOutbound(c.Outbound, c.Env, newClient, g.errors)
	if err != nil {
		return err
	}
	if err := g.prepare(ctx, loaded, outbound); err != nil {
		return err
	}
	if err := seal(g.collector, c.NoDialing, c.AppArmor, c.Seccomp); err != nil {
		return err
	}
	return g.requireControl()
}

// receiveSources reads the n mounts that follow a container in a user namespace.
func receiveSources(conn *net.UnixConn, n int) (mounts []*os.File, err error) {
	for len(mounts) < n && err == nil {
		var files []*os.File
		if files, err = wire.Receive(conn, &spec.Sources{}); err == nil && len(files) == 0 {
			err = spec.Failf(spec.Internal, "set-up: %d of %d mounts", len(mounts), n)
		}
		mounts = append(mounts, files...)
	}
	if err == nil && len(mounts) > n {
		err = spec.Failf(spec.Internal, "set-up: %d mounts, not %d", len(mounts), n)
	}
	return mounts, err
}

// newGuest opens what the guest and its worker need from outside the root.
func newGuest(c *spec.Container) (*guest, error) {
	gate := make(chan struct{})
	g := &guest{
		container: c,
		exit:      os.NewFile(spec.ExitFD, "exit record"),
		gate:      gate,
		openGate:  sync.OnceFunc(func() { close(gate) }),
		signals:   make(chan os.Signal, 4),
		collector: engine.NewCollector(),
	}
	f := os.NewFile(spec.ControlFD, "control")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	listener, ok := l.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("control socket: not a unix socket")
	}
	listener.SetUnlinkOnClose(false)
	g.control = listener
	if g.sockets, err = openListeners(c.Listeners); err != nil {
		return nil, err
	}
	if err := countCalls(); err != nil {
		return nil, err
	}
	return g, g.openOutput()
}

// hearSignals has signals told instead of ending the process. It comes after the process
// is shut in: hearing takes a thread, and each thread has to be shut in.
func (g *guest) hearSignals() {
	// A command's worker whose daemon was killed becomes this process's child:
	// the kernel is to reap it.
	signal.Ignore(unix.SIGCHLD)
	signal.Notify(g.signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2)
}

// countCalls has the guest's host calls counted, where the daemon asks for it.
func countCalls() error {
	file := os.NewFile(spec.CallsFD, "calls")
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return calls.Map(file)
}

// prepare gives the guest its host: the root as its one directory, if it may
// have one, and its stdio.
func (g *guest) prepare(ctx context.Context, module *engine.Module, outbound *httpcall.Outbound) error {
	root, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	defer unix.Close(root)
	options := wasi.Options{
		Args: g.container.Args, Env: g.container.Env,
		Stdin: g.stdin, Stdout: g.stdout, Stderr: g.stderr,
		Collect: g.collector.Collect, Idle: g.collector.Idle, AnswersOnly: g.container.NoDialing,
	}
	if !g.container.NoDirs {
		options.Preopens = []wasi.Preopen{{Path: "/", FD: root}}
	}
	defer g.sockets.close() // the host has its own descriptors of them
	if g.container.HTTP != nil {
		return g.prepareServer(ctx, module, options.Preopens, outbound)
	}
	for i, l := range g.container.Listeners {
		options.Listeners = append(options.Listeners, wasi.Listener{FD: int(g.sockets[i].Fd()), Name: l.Name})
	}
	g.instance, err = module.Prepare(ctx, options, outbound)
	return err
}

// requireControl finds out whether the daemon will be heard: a profile of the node
// may forbid it.
func (g *guest) requireControl() error {
	if g.container.AppArmor == "" {
		return nil
	}
	conn, err := g.control.SyscallConn()
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	unheard := conn.Control(func(fd uintptr) { _, _, err = unix.Accept4(int(fd), unix.SOCK_CLOEXEC) })
	if unheard != nil || errors.Is(err, unix.EAGAIN) { // nobody is there yet
		return unheard
	}
	return spec.Failf(spec.FailedPrecondition,
		"AppArmor profile %s: forbids the sockets by which the container is started and stopped, allow them with \"network unix,\": %w", g.container.AppArmor, err)
}

// serveControl answers the daemon. Its only errors are of the kernel's making;
// the guest then runs on, out of reach but for signals.
func (g *guest) serveControl() {
	caller := uint32(0)
	if g.container.UserNS {
		caller = control.Nobody
	}
	_ = control.Serve(g.control, caller, g)
}
