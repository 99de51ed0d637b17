// SPDX-License-Identifier: Apache-2.0

package foreground

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// passedOn are the signals that are the guest's business.
var passedOn = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// process is a run whose worker waits at the gate.
type process struct {
	run    *run
	worker *launch.Process
}

// wait opens the gate, passes signals on and waits for the guest's end. When
// the context ends, so does the guest.
func (p *process) wait(ctx context.Context) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	if _, err := control.Dial(p.run.at(controlFile)).Start(ctx); err != nil {
		return 0, launch.Classify(err)
	}
	ended := make(chan launch.Status, 1)
	failed := make(chan error, 1)
	go func() {
		status, err := p.worker.Wait(context.WithoutCancel(ctx))
		if err != nil {
			failed <- err
			return
		}
		ended <- status
	}()
	done := ctx.Done()
	for {
		select {
		case status := <-ended:
			return p.result(status)
		case err := <-failed:
			return 0, err
		case sig := <-signals:
			if err := p.pass(sig); err != nil {
				return 0, err
			}
		case <-done:
			done = nil
			if err := p.pass(unix.SIGTERM); err != nil {
				return 0, err
			}
		}
	}
}

// pass sends a signal to the worker, unless it has just ended.
func (p *process) pass(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return nil
	}
	if err := p.worker.Signal(number); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// result is the code of the exit record. A worker that left none was killed,
// and its status says how; one that crashed left its last words.
func (p *process) result(status launch.Status) (int, error) {
	exit, err := spec.ReadExit(p.run.at(exitFile))
	switch {
	case err == nil && exit.FinishedAt.IsZero():
		return int(exit.Code), errors.New(exit.Message)
	case err == nil:
		return int(exit.Code), nil
	case status.Code > signalBase:
		return int(status.Code), fmt.Errorf("the worker was ended by signal %d (%s)", status.Code-signalBase, unix.SignalName(syscall.Signal(status.Code-signalBase)))
	default:
		return int(status.Code), fmt.Errorf("the worker left no word of how it ended: %w", err)
	}
}
