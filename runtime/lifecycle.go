// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// killWait bounds the wait for a worker that was sent SIGKILL.
const killWait = 30 * time.Second

// Start lets a created container's guest run. A container that runs already is
// left as it is: the retry of a Start whose answer was lost.
func (c *Controller) Start(ctx context.Context, id string) error {
	e, err := c.store.get(id)
	if err != nil {
		return err
	}
	e.operation.Lock()
	defer e.operation.Unlock()
	n := e.container()
	if n.State == StateRunning {
		return nil
	}
	if err := n.requireState("start", StateCreated, StateStarting); err != nil {
		return err
	}
	if n.State == StateCreated {
		if n, err = c.store.update(e, func(n *Container) error { return n.moveTo(StateStarting) }); err != nil {
			return err
		}
	}
	return c.openGate(ctx, e)
}

// openGate tells the worker to run its guest; telling it twice is harmless.
func (c *Controller) openGate(ctx context.Context, e *entry) error {
	n := e.container()
	opening, end := observe.Begin(ctx, observe.StepGate)
	started, err := control.Dial(c.controlSocket(n.ID)).Start(opening)
	end(err)
	if err != nil {
		return fmt.Errorf("container %s: %w", n.ID, launch.Classify(err))
	}
	_, err = c.store.update(e, func(n *Container) error {
		n.StartedAt = started
		if n.State == StateExited { // so short a guest that its end was seen first
			return nil
		}
		return n.moveTo(StateRunning)
	})
	return err
}

// Stop ends a container: its stop signal (SIGTERM unless the pod or its image
// names another), then SIGKILL when the grace period is over.
// A container that has ended stays so; an unknown id is ErrNotFound.
func (c *Controller) Stop(ctx context.Context, id string, grace time.Duration) error {
	e, err := c.store.get(id)
	if err != nil {
		return err
	}
	return c.stopEntry(ctx, e, grace)
}

// stopEntry does not exclude other operations: a second Stop with a shorter
// grace period must have its way. The signal is sent once for all of them: a
// worker takes a second one as the wish not to finish what it serves.
func (c *Controller) stopEntry(ctx context.Context, e *entry, grace time.Duration) error {
	if !e.container().State.live() {
		return nil
	}
	if grace > 0 {
		if err := c.signalStop(ctx, e); err != nil {
			return err
		}
		if ended, err := waitExit(ctx, e, grace); ended || err != nil {
			return err
		}
	}
	return c.killEntry(ctx, e)
}

// signalStop sends the stop signal unless it was sent, by this daemon or one
// before it. A record that cannot be written does not keep a container from
// being stopped.
func (c *Controller) signalStop(ctx context.Context, e *entry) error {
	e.stopping.Lock()
	defer e.stopping.Unlock()
	n := e.container()
	if e.signalled || n.Stopping || !n.State.live() {
		return nil
	}
	if err := e.signal(n.Config.stopSignal()); err != nil {
		return fmt.Errorf("container %s: stop: %w", n.ID, err)
	}
	e.signalled = true
	if _, err := c.store.update(e, func(n *Container) error {
		n.Stopping = true
		return nil
	}); err != nil {
		log.G(ctx).WithError(err).Warn("a later daemon may send the stop signal again")
	}
	return nil
}

// killEntry ends the container and waits for it. Its commands end with its worker, the
// first process of their pid namespace (pid_namespaces(7)).
func (c *Controller) killEntry(ctx context.Context, e *entry) error {
	id := e.container().ID
	if err := e.signal(syscall.SIGKILL); err != nil {
		return errors.Join(fmt.Errorf("container %s: kill: %w", id, err), e.group.Kill())
	}
	ended, err := waitExit(ctx, e, killWait)
	if err != nil {
		return err
	}
	if !ended {
		return fmt.Errorf("container %s: did not end within %s of SIGKILL: %w", id, killWait, errdefs.ErrUnavailable)
	}
	return nil
}

// signal sends a signal to the worker; one that is gone needs none.
func (e *entry) signal(sig syscall.Signal) error {
	if err := e.process.Signal(sig); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// waitExit waits until the end of a container is recorded.
func waitExit(ctx context.Context, e *entry, limit time.Duration) (bool, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-e.exited:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, fmt.Errorf("container %s: stop: %w", e.container().ID, context.Cause(ctx))
	}
}

// Remove takes a container back whole; one that runs is killed first. An
// absent one is removed already.
func (c *Controller) Remove(ctx context.Context, id string) error {
	e, err := c.store.get(id)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.removeEntry(ctx, e)
}

// removeEntry may be repeated after a failure: each step accepts what is gone.
func (c *Controller) removeEntry(ctx context.Context, e *entry) error {
	e.operation.Lock()
	defer e.operation.Unlock()
	n := e.container()
	if _, err := c.store.get(n.ID); errdefs.IsNotFound(err) {
		return nil // removed while this call waited its turn
	}
	if n.State.live() {
		if err := c.killEntry(ctx, e); err != nil {
			return err
		}
	}
	if e.container().State != StateRemoving {
		// On a full disk nothing can be written, and removing is what makes room. A
		// later daemon finds a container that has ended, of which nothing is left.
		now, err := c.store.amend(e, func(n *Container) error { return n.moveTo(StateRemoving) })
		if now.State != StateRemoving {
			return err
		}
		if err != nil {
			log.G(ctx).WithError(err).Warn("removal is not in the container's record")
		}
	}
	return c.takeBack(ctx, e)
}

// takeBack removes what Create made; the record goes last.
func (c *Controller) takeBack(ctx context.Context, e *entry) error {
	id := e.container().ID
	var left []error
	if e.group != nil {
		left = append(left, e.group.End(ctx))
	}
	left = append(left, c.images.RemoveRoot(ctx, id), os.RemoveAll(c.dir(id)))
	if err := errors.Join(left...); err != nil {
		return fmt.Errorf("container %s: remove: %w", id, err)
	}
	return c.store.remove(e)
}
