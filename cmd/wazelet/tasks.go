// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cmd/wazelet/images"
	"github.com/wazelet/wazelet/runtime"
)

// tasks are what the daemon does beside its calls. They end with close, and not
// with the context that tells the daemon to stop: it has calls to answer then.
type tasks struct {
	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup
}

func newTasks(ctx context.Context) *tasks {
	t := &tasks{}
	t.life, t.end = context.WithCancel(context.WithoutCancel(ctx))
	return t
}

// run begins a task; none is begun after close.
func (t *tasks) run(task func(context.Context)) {
	t.running.Go(func() { task(t.life) })
}

// close ends all tasks and waits for them.
func (t *tasks) close() {
	t.end()
	t.running.Wait()
}

// userNS is whether pods can have user namespaces. To find out, a worker is born
// in one: about 100 ms in which the daemon finds its pods again.
type userNS struct {
	check func(context.Context) error
	known chan struct{} // closed when why is

	mu  sync.Mutex
	why error // not, or nil
}

func (t *tasks) checkUserNS(worker, root string) *userNS {
	u := &userNS{
		check: func(ctx context.Context) error { return runtime.CheckUserNS(ctx, worker, root) },
		known: make(chan struct{}),
	}
	t.run(func(ctx context.Context) {
		defer close(u.known)
		if u.why = u.check(ctx); u.why != nil && ctx.Err() == nil {
			log.G(ctx).WithError(u.why).Warn("pods cannot have user namespaces (hostUsers: false)")
		}
	})
	return u
}

// whyNot waits until it is known, and says why pods cannot have user namespaces,
// or nil. A disk that was too full to tell is asked again.
func (u *userNS) whyNot(ctx context.Context) error {
	select {
	case <-u.known:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if errors.Is(u.why, unix.ENOSPC) {
		u.why = u.check(ctx)
	}
	return u.why
}

// prepareToolbox compiles the toolbox, once per release and node: the first
// command that needs it is often a probe, which has a second.
func (n *node) prepareToolbox(ctx context.Context) {
	err := n.containers.PrepareToolbox(ctx)
	switch {
	case err == nil, ctx.Err() != nil:
	case errdefs.IsNotFound(err):
		log.G(ctx).Warn("this wazelet was built without its toolbox (make build puts it in): commands that an image has not are not found")
	default:
		log.G(ctx).WithError(err).Error("toolbox cannot be used")
	}
}

// refreshModules compiles anew what an upgrade of the engine has made useless.
func (n *node) refreshModules(ctx context.Context) { images.Refresh(ctx, n.modules, n.images) }
