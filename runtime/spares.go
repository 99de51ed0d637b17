// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/containerd/log"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/record"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/sandbox"
)

const (
	// spareLife is how long a pod's first container may take to come before its worker
	// is given up: an image may have to be pulled.
	spareLife = 30 * time.Second
	// spareMemory is the least limit, in bytes, that a worker is started beforehand for:
	// it must not be what does not fit.
	spareMemory = 8 << 20
)

// spares are workers that were started with their sandbox, beside its network, for its
// first container.
type spares struct {
	mu        sync.Mutex
	bySandbox map[string]*spare
}

// spare is such a worker, its cgroup and the state directory by which a later daemon
// would find them. Its id is that of the container to be.
type spare struct {
	id     string
	expire *time.Timer
	made   chan struct{} // closed when the rest is there, or err

	dir    string
	group  *cgroup.Group
	worker *launch.Spare
	err    error
}

// beginSpare starts a worker for a sandbox that is being made. It returns how it is
// taken back.
func (c *Controller) beginSpare(ctx context.Context, sb sandbox.Sandbox) func(context.Context) error {
	if c.cgroups.Driver() != cgroup.Cgroupfs || sb.Adopted || userNS(sb) != nil || c.closing.Err() != nil {
		return nil
	}
	id := record.NewID()
	s := &spare{id: id, made: make(chan struct{}), dir: c.dir(id)}
	c.spares.mu.Lock()
	c.spares.bySandbox[sb.ID] = s
	c.spares.mu.Unlock()
	undo := func(ctx context.Context) error { return c.dropSpare(ctx, sb.ID) }
	s.expire = time.AfterFunc(spareLife, func() {
		if err := undo(context.Background()); err != nil {
			log.L.WithError(err).WithField("sandbox_id", sb.ID).Warn("a worker without a container stays")
		}
	})
	c.watchers.Go(func() {
		defer close(s.made)
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it is the caller's for its trace alone
		defer cancel()
		defer context.AfterFunc(c.closing, cancel)()
		s.err = s.make(ctx, c, sb)
	})
	return undo
}

func (s *spare) make(ctx context.Context, c *Controller, sb sandbox.Sandbox) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.clear(context.WithoutCancel(ctx)))
		}
	}()
	parent := c.parentOf(sb)
	if err := c.makeDir(s.id, parent); err != nil {
		return err
	}
	err = observe.Do(ctx, observe.StepCgroup, func(context.Context) (err error) {
		s.group, err = c.cgroups.Create(parent, s.id, cgroup.Resources{})
		return err
	})
	if err != nil {
		return err
	}
	return observe.Do(ctx, observe.StepSpawn, func(ctx context.Context) (err error) {
		s.worker, err = launch.NewSpare(ctx, launch.SpareOptions{WorkerPath: c.workerPath, NetNS: sb.NetNS, Cgroup: s.group})
		return err
	})
}

// clear takes back what there is of a spare that nobody took.
func (s *spare) clear(ctx context.Context) error {
	if err := errors.Join(s.leave(ctx), os.RemoveAll(s.dir)); err != nil {
		return fmt.Errorf("worker of container %s, which did not come: %w", s.id, err)
	}
	return nil
}

// leave ends the worker, unless it was taken, and its cgroup: others of the same id may
// come.
func (s *spare) leave(ctx context.Context) (err error) {
	if s.worker != nil {
		err = s.worker.Drop(ctx)
	}
	if s.group != nil {
		err = errors.Join(err, s.group.Remove(ctx))
		s.group = nil
	}
	return err
}

// takeSpare returns the sandbox's spare, for its caller to use or to clear, nil if
// there is none.
func (c *Controller) takeSpare(ctx context.Context, sandboxID string) *spare {
	c.spares.mu.Lock()
	s := c.spares.bySandbox[sandboxID]
	delete(c.spares.bySandbox, sandboxID)
	c.spares.mu.Unlock()
	if s == nil {
		return nil
	}
	s.expire.Stop()
	<-s.made
	if s.err != nil {
		log.G(ctx).WithError(s.err).Info("no worker could be started beforehand")
		return nil
	}
	return s
}

// dropSpare ends the sandbox's spare, if there is one.
func (c *Controller) dropSpare(ctx context.Context, sandboxID string) error {
	if s := c.takeSpare(ctx, sandboxID); s != nil {
		return s.clear(ctx)
	}
	return nil
}

// dropSpares ends all of them.
func (c *Controller) dropSpares(ctx context.Context) error {
	c.spares.mu.Lock()
	var ids []string
	for id := range c.spares.bySandbox {
		ids = append(ids, id)
	}
	c.spares.mu.Unlock()
	var errs []error
	for _, id := range ids {
		errs = append(errs, c.dropSpare(ctx, id))
	}
	return errors.Join(errs...)
}

// serves says whether the worker can become the container.
func (s *spare) serves(n Container, worker *spec.Container) bool {
	limit := n.Config.Resources.MemoryLimit
	return s != nil && worker.Outbound == nil && worker.ProcessLabel == "" &&
		(limit <= 0 || limit >= spareMemory)
}
