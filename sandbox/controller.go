// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"golang.org/x/sync/singleflight"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/record"
	"github.com/wazelet/wazelet/sandbox/network"
)

const (
	// createTimeout is what a kubelet gives RunPodSandbox by default.
	createTimeout = 4 * time.Minute
	// removeTimeout is what it gives other calls.
	removeTimeout = 2 * time.Minute
)

// Options are the parts a Controller works with. All are needed.
type Options struct {
	Root    string // durable: records
	State   string // of this boot: network namespaces and shared files
	Network *network.Plugin
	Cgroups *cgroup.Tree
}

// Controller runs the life of every sandbox of the node. Its methods may be
// called at once from anywhere.
type Controller struct {
	state   string
	etc     string // where the node's hosts and resolv.conf are
	bootID  string
	network *network.Plugin
	cgroups *cgroup.Tree
	records *record.Store[Sandbox]

	store   *store
	changed func(Sandbox)
	begun   func(context.Context, Sandbox) (undo func(context.Context) error)
	flights singleflight.Group

	mu      sync.Mutex // orders Close and the start of operations
	closed  bool
	running sync.WaitGroup
	life    context.Context // ends with Close
	end     context.CancelCauseFunc
}

// New opens the sandbox records. Nothing is known before [Controller.Recover].
func New(o Options) (*Controller, error) {
	if o.Root == "" || o.State == "" || o.Network == nil || o.Cgroups == nil {
		return nil, fmt.Errorf("sandboxes: root, state, network and cgroups are needed: %w", errdefs.ErrInvalidArgument)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("sandboxes: %w", err)
	}
	for _, dir := range []string{"netns", "sandboxes"} {
		if err := os.MkdirAll(filepath.Join(o.State, dir), 0o711); err != nil {
			return nil, fmt.Errorf("sandboxes: %w", err)
		}
	}
	records, err := record.Open[Sandbox](filepath.Join(o.Root, "records", "sandboxes"), recordVersion)
	if err != nil {
		return nil, fmt.Errorf("sandboxes: %w", err)
	}
	c := &Controller{
		state: o.State, etc: "/etc", bootID: strings.TrimSpace(string(boot)),
		network: o.Network, cgroups: o.Cgroups, records: records, store: newStore(),
		changed: func(Sandbox) {},
		begun:   func(context.Context, Sandbox) func(context.Context) error { return nil },
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c, nil
}

// OnChange has f called after each change of a sandbox's state, in order for
// each sandbox; one that has been removed has no state. f must not wait for
// anything. It is set once, before [Controller.Recover].
func (c *Controller) OnChange(f func(Sandbox)) { c.changed = f }

// OnBegin has f called for each sandbox that is being made, once its cgroup and its network
// namespace are there: what can be done beside the rest. f must not wait for anything. If the
// sandbox fails, what f returns takes it back, unless that is nil. It is set once, before
// [Controller.Recover].
func (c *Controller) OnBegin(f func(context.Context, Sandbox) (undo func(context.Context) error)) {
	c.begun = f
}

// Close ends the operations under way, a Create by rolling it back, and waits
// for them. Sandboxes live on. Later operations are errdefs.ErrUnavailable.
func (c *Controller) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end(errShutdown)
	c.running.Wait()
	if err := c.records.Close(); err != nil {
		log.L.WithError(err).Warn("sandbox records stay in their journal")
	}
}

var errShutdown = fmt.Errorf("wazelet is shutting down: %w", errdefs.ErrUnavailable)

// Get returns the sandbox with an id, or with the only id that starts so. It
// is errdefs.ErrNotFound when there is none.
func (c *Controller) Get(id string) (Sandbox, error) {
	_, sb, err := c.store.find(id)
	return sb, err
}

// List returns all sandboxes, the oldest first.
func (c *Controller) List() []Sandbox {
	shown := c.store.list()
	list := make([]Sandbox, len(shown))
	for i, sb := range shown {
		list[i] = *sb
	}
	return list
}

// Snapshot is List without a copy, for those who look at all sandboxes every second:
// as long as nothing changes it is the same list of the same sandboxes, and one that
// has changed is another. Neither the list nor what is in it may be changed.
func (c *Controller) Snapshot() []*Sandbox { return c.store.list() }

// CountIn counts the sandboxes whose caller named the cgroup parent.
func (c *Controller) CountIn(cgroupParent string) int { return c.store.countIn(cgroupParent) }

// Dir is where a sandbox's hosts, hostname and resolv.conf are.
func (c *Controller) Dir(id string) string { return filepath.Join(c.state, "sandboxes", id) }

// NetworkReady says why pods cannot have a network now, or nil.
func (c *Controller) NetworkReady() error { return c.network.Ready() }

func (c *Controller) netnsPath(id string) string { return filepath.Join(c.state, "netns", id) }

// join runs an operation, or waits for the one of the same key that is under
// way. The operation goes on when its callers give up: it ends with timeout or
// with the controller. about is for messages.
func (c *Controller) join(ctx context.Context, key, about string, timeout time.Duration, op func(context.Context) (Sandbox, error)) (Sandbox, error) {
	done := c.flights.DoChan(key, func() (any, error) {
		if !c.begin() {
			return Sandbox{}, fmt.Errorf("sandbox %s: %w", about, errShutdown)
		}
		defer c.running.Done()
		late := fmt.Errorf("not done after %s: %w", timeout, context.DeadlineExceeded)
		ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), timeout, late)
		defer cancel()
		ctx, abort := context.WithCancelCause(ctx)
		defer abort(nil)
		defer context.AfterFunc(c.life, func() { abort(errShutdown) })()
		return op(ctx)
	})
	select {
	case r := <-done:
		sb, _ := r.Val.(Sandbox)
		return sb, r.Err
	case <-ctx.Done():
		return Sandbox{}, fmt.Errorf("sandbox %s: still under way: %w", about, context.Cause(ctx))
	}
}

func (c *Controller) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.running.Add(1)
	}
	return !c.closed
}
