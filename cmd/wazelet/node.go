// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/cmd/wazelet/images"
	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/cri"
	"github.com/wazelet/wazelet/cri/delegate"
	"github.com/wazelet/wazelet/cri/streaming"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
	"github.com/wazelet/wazelet/sandbox/network"
	"github.com/wazelet/wazelet/toolbox"
)

// node is the parts of the daemon, put together.
type node struct {
	sandboxes  *sandbox.Controller
	images     *imageservice.Service
	containers *runtime.Controller
	streams    *streaming.Server
	upstream   *delegate.Upstream // nil where every pod is WebAssembly
	userNS     *userNS
	modules    *runtime.Modules
	tasks      *tasks
	recovered  atomic.Bool
}

// newNode opens every part. Nothing is found again before recover.
func newNode(ctx context.Context, c config.Config, work func() (done func())) (n *node, err error) {
	worker, err := workerPath(c.Worker)
	if err != nil {
		return nil, err
	}
	cgroups, err := cgroup.Open(cgroup.Driver(c.Cgroup.Driver), c.Cgroup.Parent)
	if err != nil {
		return nil, err
	}
	pods, err := network.New(network.Options{
		BinDirs: c.Network.BinDirs, ConfDir: c.Network.ConfDir, CacheDir: filepath.Join(c.Root, "cni"),
		AtOnce: c.Network.Parallelism,
	})
	if err != nil {
		return nil, err
	}
	modules, err := runtime.NewModules(runtime.ModulesOptions{
		Dir: filepath.Join(c.Root, "modules"), WorkerPath: worker, Cgroups: cgroups,
		Memory: int64(c.Compiler.Memory), Timeout: time.Duration(c.Compiler.Timeout), Parallel: int64(c.Compiler.Parallelism),
		Size: int64(c.Compiler.Cache),
	})
	if err != nil {
		return nil, err
	}
	tasks := newTasks(ctx)
	defer func() {
		if err != nil {
			tasks.close()
		}
	}()
	n = &node{modules: modules, tasks: tasks, userNS: tasks.checkUserNS(worker, c.Root)}
	if n.sandboxes, err = sandbox.New(sandbox.Options{Root: c.Root, State: c.State, Network: pods, Cgroups: cgroups}); err != nil {
		return nil, err
	}
	options := images.Options(c.Root, c.Image)
	options.Prepare, options.Removed = images.Prepare(modules), images.Forget(modules)
	if n.images, err = imageservice.New(ctx, options); err != nil {
		return nil, err
	}
	o := runtime.Options{
		Root: c.Root, State: c.State, WorkerPath: worker,
		Sandboxes: n.sandboxes, Images: n.images, Cgroups: cgroups, Modules: modules,
		CDIDirs: c.Device.CDIDirs,
	}
	if c.Worker.Toolbox {
		o.Toolbox = runtime.Toolbox{Has: toolbox.Has, Module: toolbox.Module}
	}
	n.containers, err = runtime.New(o)
	if err != nil {
		return nil, errors.Join(err, n.images.Close())
	}
	if endpoint := c.Endpoint(); endpoint != "" {
		n.upstream, err = delegate.Dial(delegate.Options{
			Endpoint: endpoint, LastKnown: time.Duration(c.Upstream.LastKnown), CgroupDriver: cgroup.Driver(c.Cgroup.Driver),
		})
		if err != nil {
			return nil, errors.Join(err, n.closeDomain())
		}
	}
	n.streams, err = streaming.Listen(ctx, streaming.Options{
		Address: c.Streaming.Address, Sandboxes: n.sandboxes, Runtime: n.containers, Work: work,
	})
	if err != nil {
		return nil, errors.Join(err, n.closeDomain())
	}
	return n, nil
}

// endpoint is the node's CRI server.
func (n *node) endpoint(c config.Config) *cri.Server {
	return cri.New(cri.Options{
		Runtime: n.containers, Sandboxes: n.sandboxes, Images: n.images, Streams: n.streams,
		Version:  version.String(),
		Handlers: c.HandlersOf(config.KindWasm), DefaultHandler: c.DefaultHandler, Upstream: n.upstream, Hybrids: c.Hybrids(),
		CgroupDriver: cgroup.Driver(c.Cgroup.Driver), NoUserNamespaces: n.userNS.whyNot,
		Check: func(ctx context.Context, repair bool) (imageservice.Report, error) {
			return images.Check(ctx, n.images, n.modules, repair)
		},
		Info: map[string]any{"revision": version.Revision(), "root": c.Root, "state": c.State},
	})
}

// recover finds what an earlier daemon left: first the sandboxes, then the
// containers in them.
func (n *node) recover(ctx context.Context) error {
	if err := n.sandboxes.Recover(ctx); err != nil {
		return err
	}
	if err := n.containers.Recover(ctx); err != nil {
		return err
	}
	if n.upstream != nil {
		if err := n.upstream.Start(ctx); err != nil {
			return err
		}
	}
	n.recovered.Store(true)
	n.tasks.run(n.prepareToolbox)
	n.tasks.run(n.refreshModules)
	return nil
}

// whyNotReady is what calls are answered with until recover is done.
func (n *node) whyNotReady() error {
	if n.recovered.Load() {
		return nil
	}
	return cri.ErrRecovering
}

// close ends the daemon's own work, what others use last. Workers go on.
func (n *node) close() error { return errors.Join(n.streams.Close(), n.closeDomain()) }

func (n *node) closeDomain() error {
	n.tasks.close()
	n.containers.Close()
	n.sandboxes.Close()
	n.modules.Close() // pulls that wait for a compiler end too
	err := n.images.Close()
	if n.upstream != nil {
		err = errors.Join(err, n.upstream.Close())
	}
	return err
}
