// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/worker/console"
	"github.com/wazelet/wazelet/runtime/worker/crilog"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
	"github.com/wazelet/wazelet/runtime/worker/wagi"
)

// Exit codes that are not the guest's own.
const (
	exitTrap   = 134 // as a process that aborts: 128 + SIGABRT
	exitSignal = 128 // plus the signal's number
)

// guest is the container's program with all that outlives a daemon around it.
type guest struct {
	container *spec.Container
	instance  *engine.Instance // nil where the worker serves
	server    *wagi.Server     // nil where the guest is on its own
	listeners []net.Listener   // the server's
	collector *engine.Collector
	control   *net.UnixListener
	exit      *os.File
	sockets   sockets // the guest's listeners, until its host has them
	signals   chan os.Signal

	log                   *crilog.Log      // nil in the foreground
	console               *console.Console // nil in the foreground
	stdin, stdout, stderr wasi.Stdio
	errors                wasi.Sink // where a trap is told: the guest's stderr

	gate      chan struct{} // closed once the guest may run
	openGate  func()
	mu        sync.Mutex // guards startedAt
	startedAt time.Time

	finish sync.Once
}

// openOutput connects the guest's stdout and stderr: to the log, or in the
// foreground to this process's own. A crash of the process itself goes to the
// exit record, where the daemon finds it in the record's place.
func (g *guest) openOutput() error {
	if err := debug.SetCrashOutput(g.exit, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("exit record: %w", err)
	}
	if g.container.Foreground {
		g.stdin, g.stdout, g.stderr = wasi.StdioFD(0), wasi.StdioFD(1), wasi.StdioFD(2)
		g.errors = os.Stderr
		return nil
	}
	input := os.NewFile(spec.InputFD, "input")
	if g.container.Input == spec.InputNone {
		input.Close()
		input = nil
	}
	g.log = crilog.New(os.NewFile(spec.LogFD, "log"))
	g.console = console.New(g.container.Input, g.container.InputOnce, input)
	stdout, stderr := g.console.Stdout(g.log.Stream("stdout")), g.console.Stderr(g.log.Stream("stderr"))
	switch g.container.Input {
	case spec.InputTerminal: // one stream for all, as the kernel passes it on
		g.stdin, g.stdout, g.stderr = wasi.StdioFD(0), wasi.StdioFD(1), wasi.StdioFD(2)
		g.errors = stdout
		return g.console.Watch(stdout)
	case spec.InputPipe:
		g.stdin = wasi.StdioFD(0)
	}
	g.stdout, g.stderr = wasi.StdioSink(stdout), wasi.StdioSink(stderr)
	g.errors = stderr
	return nil
}

// Start opens the gate; see control.Handler.
func (g *guest) Start() (time.Time, func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.startedAt.IsZero() {
		g.startedAt = now()
	}
	return g.startedAt, g.openGate
}

// now is the time without a zone: finding the local one would read the guest's
// /etc/localtime.
func now() time.Time { return time.Now().UTC() }

// ReopenLog makes f the log; see control.Handler.
func (g *guest) ReopenLog(f *os.File) error {
	if g.log == nil {
		f.Close()
		return spec.Failf(spec.FailedPrecondition, "log: this container runs in the foreground and has none")
	}
	return g.log.Reopen(f)
}

// Attach lets a client see and type; see control.Handler.
func (g *guest) Attach(s console.Streams) error {
	if g.console == nil {
		s.Close()
		return spec.Failf(spec.FailedPrecondition, "attach: this container runs in the foreground")
	}
	return g.console.Attach(s)
}

// Resize sets the size of the terminal; see control.Handler.
func (g *guest) Resize(size terminal.Size) error {
	if g.console == nil {
		return spec.Failf(spec.FailedPrecondition, "resize: this container runs in the foreground")
	}
	return g.console.Resize(size)
}

// run runs the guest to its end on the calling goroutine, and returns the
// process's exit code.
func (g *guest) run(ctx context.Context) int {
	if g.server != nil {
		return g.serve(ctx)
	}
	code, err := g.instance.Run(ctx)
	if err == nil {
		return g.end(spec.Exit{Code: exitCode(code)})
	}
	return g.fault(err.Error(), lastWords(err))
}

// exitCode is a guest's exit code as shells, kubelet and people expect it: a
// process's has eight bits.
func exitCode(code uint32) int32 { return int32(code & 0xff) }

// lastWords is all that is known of why a guest ended: for a trap, the stack too.
func lastWords(err error) string {
	if trap, ok := errors.AsType[*engine.Trap](err); ok {
		return trap.Text()
	}
	return err.Error()
}

// fault ends the container as a trap does, and tells why: the message in the
// record, all of the text in the log and the termination log.
func (g *guest) fault(message, text string) int {
	if g.console != nil {
		g.console.Drain() // what the guest said itself comes first
	}
	_, _ = g.errors.Write([]byte(text + "\n"))
	g.writeTermination(text)
	return g.end(spec.Exit{Code: exitTrap, Message: message})
}

// obeySignals ends the container on the first signal once the guest has
// finished what it serves, which is at once when that is nothing; a second
// signal does not wait for it. The guest may be computing and never hear of
// either: the process ends around it.
func (g *guest) obeySignals() {
	sig := <-g.signals
	select {
	case <-g.gate:
		select {
		case <-g.drain():
		case sig = <-g.signals:
		}
	default: // it has served nobody
	}
	number, ok := sig.(syscall.Signal)
	if !ok {
		number = unix.SIGTERM
	}
	os.Exit(g.end(spec.Exit{Code: exitSignal + int32(number)})) //nolint:forbidigo // main waits for a guest that may never return
}

// end flushes the log and writes the exit record. The first end is the one
// that counts; a second waits for ever, since the process is about to exit.
func (g *guest) end(exit spec.Exit) int {
	first := false
	g.finish.Do(func() { first = true })
	if !first {
		select {}
	}
	if g.log != nil {
		g.console.Drain()
		g.log.Flush()
	}
	g.mu.Lock()
	exit.StartedAt = g.startedAt
	g.mu.Unlock()
	exit.FinishedAt = now()
	exit.Reason = spec.ReasonError
	if exit.Code == 0 {
		exit.Reason = spec.ReasonCompleted
	}
	// A struct of strings and times: encoding it cannot fail.
	record, _ := json.Marshal(exit)
	// When it cannot be written, the daemon still learns the code by waiting.
	_, _ = g.exit.WriteAt(record, 0)
	return int(exit.Code)
}

// writeTermination puts text into the termination log if the guest left it
// empty. The guest owns that file: it may be anything by now.
func (g *guest) writeTermination(text string) {
	if g.container.TerminationMessagePath == "" {
		return
	}
	f, err := os.OpenFile(g.container.TerminationMessagePath, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return // not mounted, or taken away by the guest: the record has it too
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Size() == 0 {
		_, _ = f.WriteString(text)
	}
}
