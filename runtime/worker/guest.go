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
	"github.com/wazelet/wazelet/runtime/worker/crilog"
	"github.com/wazelet/wazelet/runtime/worker/spec"
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

	log            *crilog.Log // nil in the foreground
	stdout, stderr wasi.Stdio
	errors         wasi.Sink // where a trap is told: the guest's stderr

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
		g.stdout, g.stderr = wasi.StdioFD(1), wasi.StdioFD(2)
		g.errors = os.Stderr
		return nil
	}
	g.log = crilog.New(os.NewFile(spec.LogFD, "log"))
	stderr := g.log.Stream("stderr")
	g.stdout, g.stderr = wasi.StdioSink(g.log.Stream("stdout")), wasi.StdioSink(stderr)
	g.errors = stderr
	return nil
}

// Start opens the gate; see control.Handler.
func (g *guest) Start() (time.Time, func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.startedAt.IsZero() {
		g.startedAt = time.Now()
	}
	return g.startedAt, g.openGate
}

// ReopenLog makes f the log; see control.Handler.
func (g *guest) ReopenLog(f *os.File) error {
	if g.log == nil {
		f.Close()
		return spec.Failf(spec.FailedPrecondition, "log: this container runs in the foreground and has none")
	}
	return g.log.Reopen(f)
}

// run runs the guest to its end on the calling goroutine, and returns the
// process's exit code.
func (g *guest) run(ctx context.Context) int {
	if g.server != nil {
		return g.serve(ctx)
	}
	code, err := g.instance.Run(ctx)
	if err == nil {
		// A process's exit code has eight bits, and so shells, kubelet and
		// people expect of a container's.
		return g.end(spec.Exit{Code: int32(code & 0xff)})
	}
	text := err.Error()
	if trap, ok := errors.AsType[*engine.Trap](err); ok {
		text = trap.Text()
	}
	return g.fault(err.Error(), text)
}

// fault ends the container as a trap does, and tells why: the message in the
// record, all of the text in the log and the termination log.
func (g *guest) fault(message, text string) int {
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
		g.log.Flush()
	}
	g.mu.Lock()
	exit.StartedAt = g.startedAt
	g.mu.Unlock()
	exit.FinishedAt = time.Now()
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
