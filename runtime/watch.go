// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/log"

	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// watch waits for a worker's end and records it. When the daemon closes first,
// the next one finds the end in the worker's own record.
func (c *Controller) watch(ctx context.Context, e *entry) {
	defer observe.Worker()()
	status, err := e.process.Wait(c.closing)
	if err != nil {
		if c.closing.Err() == nil {
			log.G(ctx).WithError(err).Error("worker is no longer watched")
		}
		return
	}
	c.recordExit(ctx, e, status)
}

// recordExit writes down how a container ended and lets go of its cgroup.
func (c *Controller) recordExit(ctx context.Context, e *entry, status launch.Status) {
	exit := c.exitOf(e, status)
	n, err := c.store.amend(e, func(n *Container) error {
		n.ExitCode, n.Reason, n.Message = exit.Code, exit.Reason, exit.Message
		n.FinishedAt, n.Pid, n.PidStart = exit.FinishedAt, 0, 0
		if n.StartedAt.IsZero() {
			n.StartedAt = exit.StartedAt
		}
		return n.moveTo(StateExited)
	})
	if err != nil {
		// The end is shown all the same: the kubelet must see it; a later daemon
		// reads it from the exit record again.
		log.G(ctx).WithError(err).Error("exit is not in the container's record")
	}
	c.calls.end(e, c.callsFile(n.ID))
	close(e.exited)
	observe.Exit(knownReason(exit.Reason), trapKind(exit))
	log.G(ctx).WithFields(log.Fields{
		"container_id": n.ID, "exit_code": exit.Code, "reason": exit.Reason,
	}).Info("container exited")
	if e.group == nil {
		return
	}
	if err := e.group.End(ctx); err != nil {
		log.G(ctx).WithError(err).WithField("container_id", n.ID).Warn("container's cgroup stays until it is removed")
	}
}

// exitOf decides how a container ended: by the worker's own record, or, when it
// left none, by what the kernel knows.
func (c *Controller) exitOf(e *entry, status launch.Status) spec.Exit {
	n := e.container()
	exit, err := spec.ReadExit(c.exitFile(n.ID))
	if err == nil {
		if exit.FinishedAt.IsZero() { // the last words of a worker that crashed
			exit.FinishedAt = time.Now()
		}
		return exit
	}
	if n.BootID != c.bootID {
		return spec.Exit{Code: exitUnknown, Reason: ReasonUnknown, Message: "the node has rebooted", FinishedAt: time.Now()}
	}
	exit = spec.Exit{Code: exitKilled, Reason: ReasonError, FinishedAt: time.Now()}
	if status.Known {
		exit.Code = status.Code
	}
	if !errors.Is(err, spec.ErrNoExit) {
		exit.Message = err.Error()
	}
	if e.oomKills() > e.commandOOMs.Load() {
		exit.Code, exit.Reason = exitKilled, ReasonOOMKilled
		exit.Message = "the container used more memory than its limit"
	}
	return exit
}

// oomKills is how many processes of the container the kernel has killed for
// memory, as far as it tells.
func (e *entry) oomKills() uint64 {
	if e.group == nil {
		return 0
	}
	kills, err := e.group.OOMKills()
	if err != nil {
		return 0
	}
	return kills
}

// forgiveOOM says that the kills since before were of a command: they are not
// how the container ended.
func (e *entry) forgiveOOM(before uint64) {
	if kills := e.oomKills(); kills > before && e.container().State.live() {
		e.commandOOMs.Add(kills - before)
	}
}
