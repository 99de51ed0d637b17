// SPDX-License-Identifier: Apache-2.0

// Package foreground runs one module for the user who asks for it, without a
// daemon and without a pod: in a worker as a pod's containers are, but with the
// caller's standard streams, network and exit code.
//
//	lock the store ─ pull, root, spec ─ worker spawned, compiled or from cache ─ unlock ─ gate opened ─ wait
//
// A run that was killed leaves its directory and root behind; the next one
// finds that nobody holds them, and clears them away.
package foreground

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/undo"
)

// Options say what to run, and with what.
type Options struct {
	Store      string // directory of the user's images and compiled modules
	WorkerPath string
	Config     config.Config // for images and the compiler
	Progress   io.Writer     // is told when something takes its time

	Program string   // a file or an image
	Args    []string // what follows it on the command line
	Env     []string // KEY=value
	// ClearEnv leaves Env alone: no PATH, HOSTNAME and PWD, nothing of the image's.
	ClearEnv bool
	Dirs     []Dir
	NoDirs   bool // not even the root
	Listen   []spec.Listener
	Outbound []spec.Origin // where the guest may make HTTP requests by host functions
	WorkDir  string        // in the guest; "" is the image's own, or /
}

// hostname is what every guest of a run sees as its host's name.
const hostname = "wazelet"

// Run runs the program to its end. The code is the guest's; an error means that
// the program did not start, and [ExitCode] is its code.
func Run(ctx context.Context, o Options) (code int, err error) {
	var made undo.Stack
	defer func() { err = errors.Join(err, made.Run(ctx)) }()
	p, err := start(ctx, o, &made)
	if err != nil {
		return 0, err
	}
	return p.wait(ctx)
}

// start does everything up to the gate, with the store to itself.
func start(ctx context.Context, o Options, made *undo.Stack) (*process, error) {
	s, err := openStore(o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r, err := s.newRun()
	if err != nil {
		return nil, err
	}
	made.Push("directory of the run", func(context.Context) error { return r.remove() })
	program, err := s.resolve(ctx, o, r.id, made)
	if err != nil {
		return nil, err
	}
	defer program.close()
	modules, err := runtime.NewModules(runtime.ModulesOptions{
		Dir: filepath.Join(o.Store, "modules"), WorkerPath: o.WorkerPath, Rootless: Rootless(),
		Memory: int64(o.Config.Compiler.Memory), Timeout: time.Duration(o.Config.Compiler.Timeout),
	})
	if err != nil {
		return nil, err
	}
	defer modules.Close()
	files, err := r.open()
	if err != nil {
		return nil, err
	}
	defer files.close()
	worker, err := modules.Launch(ctx, imageservice.Image{}, launch.Options{
		WorkerPath: o.WorkerPath, Spec: program.spec, Module: program.module, Exit: files.exit, Control: files.control,
	})
	if err != nil {
		return nil, err
	}
	made.Push("worker", worker.Kill)
	return &process{run: r, worker: worker}, nil
}

// newSpec is what every run has in common.
func newSpec(id string, o Options) spec.Container {
	c := spec.Container{
		ID: id, Hostname: hostname, Cwd: o.WorkDir,
		Foreground: true, Rootless: Rootless(), NoDirs: o.NoDirs, Listeners: o.Listen,
	}
	if len(o.Outbound) > 0 {
		c.Outbound = &spec.Outbound{Allowed: o.Outbound, Concurrency: runtime.DefaultOutboundConcurrency, Timeout: runtime.DefaultOutboundTimeout}
	}
	if !o.NoDirs {
		c.Mounts = resolverFiles(o.Dirs)
	}
	for _, dir := range o.Dirs {
		c.Mounts = append(c.Mounts, spec.Mount{
			Destination: dir.Guest, Type: spec.MountBind, Source: dir.Host, ReadOnly: dir.ReadOnly,
		})
	}
	return c
}
