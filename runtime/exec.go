// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Exit codes of commands that were not run, as shells have them.
const (
	exitNotFound    = 127
	exitNotRunnable = 126
)

// execOOMScore makes a command what the kernel kills first when its container's
// memory is short: the container was here before.
const execOOMScore = 1000

// Command is what to run in a container.
type Command struct {
	// Args is the command line. Args[0] names a module in the container's root,
	// or, where there is none, a program of the toolbox.
	Args []string
	// TTY gives the command a terminal; Stderr is not used then.
	TTY bool
	Streams
}

// Exec runs a command in a running container, as its user and with its
// environment, and returns its exit code when it has ended and its output has
// been taken. A command that cannot be run has the code a shell gives it, 127 or
// 126, and its reason on stderr. When ctx ends, the command is killed.
func (c *Controller) Exec(ctx context.Context, id string, command Command) (int32, error) {
	e, err := c.store.get(id)
	if err != nil {
		return 0, err
	}
	n := e.container()
	if err := n.requireState("run a command in", StateRunning); err != nil {
		return 0, err
	}
	if len(command.Args) == 0 {
		return 0, fmt.Errorf("container %s: no command given: %w", n.ID, errdefs.ErrInvalidArgument)
	}
	if command.TTY {
		command.Stderr = nil
	}
	code, err := c.exec(ctx, e, command)
	switch {
	case err == nil:
		return code, nil
	case ctx.Err() != nil:
		return 0, fmt.Errorf("container %s: command %q: %w", n.ID, command.Args[0], context.Cause(ctx))
	case !e.container().State.live():
		return 0, fmt.Errorf("container %s: has ended: %w", n.ID, errdefs.ErrFailedPrecondition)
	case errdefs.IsNotFound(err):
		return command.refuse(exitNotFound, err), nil
	case errdefs.IsInvalidArgument(err), errdefs.IsFailedPrecondition(err):
		return command.refuse(exitNotRunnable, err), nil
	case errdefs.IsResourceExhausted(err):
		return command.refuse(exitKilled, err), nil
	}
	return 0, fmt.Errorf("container %s: command %q: %w", n.ID, command.Args[0], err)
}

// refuse tells the user why the command was not run.
func (m Command) refuse(code int32, err error) int32 {
	to := m.Stderr
	if to == nil {
		to = m.Stdout // a terminal's, or all there is
	}
	if to != nil {
		_, _ = io.WriteString(to, fmt.Sprintf("exec: %v\n", err))
	}
	return code
}

// exec starts the command and waits for it.
func (c *Controller) exec(ctx context.Context, e *entry, command Command) (int32, error) {
	var pipes plumbing
	defer pipes.close()
	options, err := c.execOptions(e, command, &pipes)
	if err != nil {
		return 0, err
	}
	img, err := c.images.Get(ctx, e.container().Config.ImageID)
	if err != nil && !errdefs.IsNotFound(err) { // it may have been removed
		return 0, err
	}
	before := e.oomKills()
	process, err := c.modules.Exec(ctx, img, options, c.builtin)
	if err != nil {
		return 0, e.notStarted(ctx, before, err)
	}
	defer process.Release()
	pipes.handedOver()
	status, err := process.Wait(ctx)
	if err != nil { // ctx has ended
		return 0, errors.Join(err, killCommand(ctx, process))
	}
	if status.Code == exitKilled {
		e.forgiveOOM(before)
	}
	select {
	case <-pipes.drained():
		return status.Code, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// exitSeen bounds the wait for a container's end to be recorded whose command died
// in its start.
const exitSeen = 2 * time.Second

// notStarted is why a command has not started, where the kernel ended it: its
// container had no memory for it, or has itself just ended.
func (e *entry) notStarted(ctx context.Context, killsBefore uint64, err error) error {
	if e.oomKills() > killsBefore {
		e.forgiveOOM(killsBefore)
		return fmt.Errorf("the container's memory limit leaves no room for it: %w", errdefs.ErrResourceExhausted)
	}
	if errdefs.IsInternal(err) {
		_, _ = waitExit(ctx, e, exitSeen) // what it finds, the caller sees
	}
	return err
}

// killCommand ends a command whose caller has gone.
func killCommand(ctx context.Context, process *launch.Command) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWait)
	defer cancel()
	if err := process.Kill(ctx); err != nil {
		log.G(ctx).WithError(err).Warn("a command goes on without its caller")
		return err
	}
	return nil
}

// execOptions puts the command beside the container's own program.
func (c *Controller) execOptions(e *entry, command Command, pipes *plumbing) (launch.ExecOptions, error) {
	n := e.container()
	sb, err := c.sandboxes.Get(n.SandboxID)
	if err != nil {
		return launch.ExecOptions{}, err
	}
	o := launch.ExecOptions{
		WorkerPath: c.workerPath, Container: e.process, Cgroup: e.group, OOMScoreAdj: execOOMScore, TTY: command.TTY,
		UserNS: userNS(sb), ProcessLabel: n.Config.SELinux.Process,
		Spec: spec.Exec{
			ID: n.ID, Args: command.Args, Env: n.environment(sb.Hostname, command.TTY), Cwd: n.workingDir(),
			UID: n.UID, GID: n.GID, Groups: n.Groups, MemoryMaxPages: n.memoryMaxPages(),
			AppArmor: n.Config.AppArmorProfile,
		},
	}
	if o.Spec.NoDialing, err = noDialing(sb.Annotations); err != nil {
		return o, err
	}
	if o.Spec.Outbound, err = outbound(n.Config, sb.Annotations, o.Spec.NoDialing); err != nil {
		return o, err
	}
	if o.Spec.Seccomp, err = c.filter(n); err != nil {
		return o, err
	}
	if command.TTY {
		o.Stdin, err = pipes.terminal(command.Streams)
		o.Stdout, o.Stderr = o.Stdin, o.Stdin
		return o, err
	}
	if o.Stdin, err = pipes.input(command.Stdin); err != nil {
		return o, err
	}
	if o.Stdout, err = pipes.output(command.Stdout); err != nil {
		return o, err
	}
	o.Stderr, err = pipes.output(command.Stderr)
	return o, err
}
