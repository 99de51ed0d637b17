// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/log"
	"golang.org/x/sync/singleflight"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/runtime/device"
	"github.com/wazelet/wazelet/sandbox"
)

// Options are the parts a Controller works with.
type Options struct {
	Root       string // durable: records
	State      string // of this boot: control sockets and exit records
	WorkerPath string // the wazelet-worker binary
	Sandboxes  *sandbox.Controller
	Images     *imageservice.Service
	Cgroups    *cgroup.Tree
	Modules    *Modules
	Toolbox    Toolbox  // the zero value is none
	CDIDirs    []string // of CDI files, the winning one last; none turns CDI off
}

// Controller runs the life of every container of the node. Its methods may be
// called at once from anywhere.
type Controller struct {
	state      string
	workerPath string
	bootID     string

	sandboxes *sandbox.Controller
	images    *imageservice.Service
	cgroups   *cgroup.Tree
	modules   *Modules
	toolbox   toolbox
	cdi       device.Registry

	store    *store
	events   *bus
	rates    rates
	calls    callTotals
	creating singleflight.Group
	spares   spares

	// watchers are told to end by Close; workers go on without them.
	watchers sync.WaitGroup
	closing  context.Context
	close    context.CancelFunc
}

// New opens the container records. Nothing is served before Recover.
func New(o Options) (*Controller, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("boot id: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(o.State, "containers"), 0o711); err != nil {
		return nil, fmt.Errorf("containers: %w", err)
	}
	s, err := openStore(filepath.Join(o.Root, "records", "containers"))
	if err != nil {
		return nil, err
	}
	c := &Controller{
		state: o.State, workerPath: o.WorkerPath, bootID: strings.TrimSpace(string(boot)),
		sandboxes: o.Sandboxes, images: o.Images, cgroups: o.Cgroups, modules: o.Modules,
		toolbox: toolbox{Toolbox: o.Toolbox, modules: o.Modules},
		cdi:     device.Registry{Dirs: o.CDIDirs},
		store:   s, events: newBus(), spares: spares{bySandbox: map[string]*spare{}},
	}
	c.closing, c.close = context.WithCancel(context.Background())
	s.changed, s.removed = c.containerChanged, c.containerRemoved
	c.sandboxes.OnChange(c.sandboxChanged)
	c.sandboxes.OnBegin(c.beginSpare)
	observe.WASICalls(c.wasiCalls)
	return c, nil
}

// Close ends subscriptions and the watching of workers, and waits for it. The workers go on, and
// the next daemon finds them.
func (c *Controller) Close() {
	observe.WASICalls(nil)
	c.EndSubscriptions()
	c.close()
	if err := c.dropSpares(context.Background()); err != nil {
		log.L.WithError(err).Warn("workers without containers stay")
	}
	c.watchers.Wait()
	if err := c.store.records.Close(); err != nil {
		log.L.WithError(err).Warn("container records stay in their journal")
	}
}

// Get returns a container by its id or an unambiguous prefix, ErrNotFound when
// there is none. It never waits for an operation.
func (c *Controller) Get(id string) (Container, error) {
	e, err := c.store.get(id)
	if err != nil {
		return Container{}, err
	}
	return e.container(), nil
}

// Find is Get without a copy: what it returns may not be changed.
func (c *Controller) Find(id string) (*Container, error) {
	e, err := c.store.get(id)
	if err != nil {
		return nil, err
	}
	return e.status.Load(), nil
}

// List returns every container, oldest first. It never waits for an operation.
// A container whose Create is not done is not shown: nobody has its id yet.
func (c *Controller) List() []Container {
	shown := c.store.shown()
	list := make([]Container, len(shown))
	for i, n := range shown {
		list[i] = *n
	}
	return list
}

// Snapshot is List without a copy, for those who look at all containers every second:
// as long as nothing changes it is the same list of the same containers, and one that
// has changed is another. Neither the list nor what is in it may be changed.
func (c *Controller) Snapshot() []*Container { return c.store.shown() }

// ListOf returns the containers of one sandbox as [Controller.List] does.
func (c *Controller) ListOf(sandboxID string) []Container { return c.store.containersOf(sandboxID) }

// StopSandbox ends a sandbox's containers at once, then the sandbox: its
// network is gone when it returns. A sandbox that is stopped stays stopped.
func (c *Controller) StopSandbox(ctx context.Context, id string) error {
	sb, err := c.sandboxes.Get(id)
	if err != nil {
		return err
	}
	err = errors.Join(c.each(sb.ID, func(e *entry) error { return c.stopEntry(ctx, e, 0) }), c.dropSpare(ctx, sb.ID))
	if err != nil {
		return fmt.Errorf("sandbox %s: stop: %w", sb.ID, err)
	}
	return c.sandboxes.Stop(ctx, sb.ID)
}

// RemoveSandbox removes a sandbox and its containers, whatever they do.
func (c *Controller) RemoveSandbox(ctx context.Context, id string) error {
	sb, err := c.sandboxes.Get(id)
	if err != nil {
		return err
	}
	err = errors.Join(c.each(sb.ID, func(e *entry) error { return c.removeEntry(ctx, e) }), c.dropSpare(ctx, sb.ID))
	if err != nil {
		return fmt.Errorf("sandbox %s: remove: %w", sb.ID, err)
	}
	return c.sandboxes.Remove(ctx, sb.ID)
}

// each runs an operation on all containers of a sandbox at once.
func (c *Controller) each(sandboxID string, operation func(*entry) error) error {
	entries := c.store.ofSandbox(sandboxID)
	errs := make([]error, len(entries))
	var wg sync.WaitGroup
	for i, e := range entries {
		wg.Go(func() { errs[i] = operation(e) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// dir is a container's state directory.
func (c *Controller) dir(id string) string { return filepath.Join(c.state, "containers", id) }

// exitFile is where a worker writes its exit record.
func (c *Controller) exitFile(id string) string { return filepath.Join(c.dir(id), "exit.json") }

// controlSocket is where a worker answers control calls. The file outlives the
// daemon: the next one dials it.
func (c *Controller) controlSocket(id string) string { return filepath.Join(c.dir(id), "control.sock") }
