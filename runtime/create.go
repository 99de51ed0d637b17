// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/record"
	"github.com/wazelet/wazelet/runtime/lsm"
	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
	"github.com/wazelet/wazelet/sandbox"
	"github.com/wazelet/wazelet/undo"
)

// createTimeout bounds a create that nobody waits for any more; it covers a
// compile that the pull could not do.
const createTimeout = 6 * time.Minute

// Create makes a container: its worker is spawned, confined and has the module
// loaded when Create returns, and waits for Start. A failed Create leaves
// nothing. A Create with the name and attempt of an earlier one joins it or
// returns its container; when the caller's deadline passes first, the work goes
// on and its result awaits the retry.
func (c *Controller) Create(ctx context.Context, sandboxID string, config Config) (Container, error) {
	sb, err := c.sandboxes.Get(sandboxID)
	if err != nil {
		return Container{}, err
	}
	key := config.key(sb.ID)
	done := c.creating.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTimeout)
		defer cancel()
		return c.createOnce(ctx, sb, config)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return Container{}, r.Err
		}
		return r.Val.(Container), nil
	case <-ctx.Done():
		return Container{}, fmt.Errorf("container %s: create: %w", config.Name, context.Cause(ctx))
	}
}

// createOnce returns the container an earlier call made, or makes it.
func (c *Controller) createOnce(ctx context.Context, sb sandbox.Sandbox, config Config) (Container, error) {
	if e, ok := c.store.byName(config.key(sb.ID)); ok {
		return e.container(), nil
	}
	if sb.State != sandbox.StateReady {
		return Container{}, fmt.Errorf("container %s: its sandbox %s is %s: %w", config.Name, sb.ID, sb.State, errdefs.ErrFailedPrecondition)
	}
	img, err := c.images.Get(ctx, first(config.ImageID, config.ImageRef))
	if err != nil {
		return Container{}, err
	}
	p := parts{sandbox: sb, shared: c.sandboxes.Dir(sb.ID), image: img}
	if p.devices, err = c.devices(config); err != nil {
		return Container{}, fmt.Errorf("container %s: %w", config.Name, err)
	}
	var made undo.Stack
	id := record.NewID()
	if p.spare = c.takeSpare(ctx, sb.ID); p.spare != nil {
		id = p.spare.id
		made.Push("worker without a container", p.spare.clear)
	}
	ctx = log.WithLogger(ctx, log.G(ctx).WithField("container_id", id))
	e, err := c.newContainer(ctx, p, id, config)
	if err != nil {
		return Container{}, errors.Join(fmt.Errorf("container %s: %w", config.Name, err), made.Run(ctx))
	}
	if err := c.make(ctx, e, p, &made); err != nil {
		return Container{}, errors.Join(err, made.Run(ctx))
	}
	made.Release()
	c.calls.begin(e, nil)
	c.watchers.Go(func() { c.watch(context.WithoutCancel(ctx), e) })
	return e.container(), nil
}

// newContainer decides what is known before anything is made.
func (c *Controller) newContainer(ctx context.Context, p parts, id string, config Config) (*entry, error) {
	sb, img := p.sandbox, p.image
	var err error
	config.ImageID, config.StopSignal = img.ID, first(config.StopSignal, img.StopSignal)
	if config.Mounts, err = c.resolveVolumes(ctx, config.Mounts); err != nil {
		return nil, err
	}
	if err := requirePropagation(slices.Concat(config.Mounts, deviceMounts(p.devices))); err != nil {
		return nil, err
	}
	n := Container{
		ID: id, SandboxID: sb.ID, Config: config, State: StateCreating, BootID: c.bootID,
		CreatedAt: time.Now(), LogFile: config.logFile(sb.LogDirectory), CgroupParent: c.parentOf(sb),
		ImageEnv: img.Env, DeviceEnv: p.devices.Env, ImageDir: img.WorkingDir,
	}
	if n.UID, n.GID, n.Groups, err = c.resolveUser(ctx, img, config.User); err != nil {
		return nil, err
	}
	n.Groups = append(n.Groups, p.devices.Groups...)
	return newEntry(n), checkIDs(sb, n)
}

// make brings a container into being step by step; each step says how it is
// taken back.
func (c *Controller) make(ctx context.Context, e *entry, p parts, made *undo.Stack) error {
	n, img := e.container(), p.image
	p.container = n
	if err := c.store.add(e); err != nil {
		return err
	}
	made.Push("record", func(context.Context) error { return c.store.remove(e) })

	preparing, end := observe.Begin(ctx, observe.StepRoot)
	var err error
	p.root, err = c.images.PrepareRoot(preparing, n.ID, img.ID)
	end(err)
	if err != nil {
		return fmt.Errorf("container %s: root file system: %w", n.Config.Name, err)
	}
	made.Push("root file system", func(ctx context.Context) error { return c.images.RemoveRoot(ctx, n.ID) })

	if p.volumes, err = c.imageVolumes(ctx, n); err != nil {
		return fmt.Errorf("container %s: %w", n.Config.Name, err)
	}
	worker, err := workerSpec(p)
	if err != nil {
		return err
	}
	made.Push("state directory", func(context.Context) error { return os.RemoveAll(c.dir(n.ID)) })
	if p.spare == nil { // which has it
		if err := c.makeDir(n.ID, n.CgroupParent); err != nil {
			return fmt.Errorf("container %s: %w", n.Config.Name, err)
		}
	}
	files, err := c.openFiles(n)
	if err != nil {
		return fmt.Errorf("container %s: %w", n.Config.Name, err)
	}
	defer files.close()

	if err := errors.Join(c.label(n, p), c.keepProfile(n)); err != nil {
		return fmt.Errorf("container %s: %w", n.Config.Name, err)
	}
	if worker.Seccomp, err = c.filter(n); err != nil {
		return fmt.Errorf("container %s: %w", n.Config.Name, err)
	}

	if err := c.enclose(ctx, e, p.spare, &worker, made); err != nil {
		return fmt.Errorf("container %s: %w", n.Config.Name, err)
	}

	options := launch.Options{
		WorkerPath: c.workerPath, NetNS: p.sandbox.NetNS, UserNS: userNS(p.sandbox), Cgroup: e.group, Spec: worker,
		Log: files.log, Exit: files.exit, Control: files.control, Stdin: files.stdin, Input: files.input,
		Calls: files.calls,
	}
	if p.spare.serves(n, &worker) {
		options.Spare = p.spare.worker
	}
	if img.Kind == imageservice.KindModule {
		if options.Module, err = c.images.OpenModule(ctx, img); err != nil {
			return fmt.Errorf("container %s: %w", n.Config.Name, err)
		}
		defer options.Module.Close()
	}
	if e.process, err = c.modules.Launch(ctx, img, options); err != nil {
		return fmt.Errorf("container %s: %w", n.Config.Name, e.launchFailure(err))
	}
	made.Push("worker", func(ctx context.Context) error { return e.process.Kill(ctx) })

	_, err = c.store.update(e, func(n *Container) error {
		n.Pid, n.PidStart = e.process.Pid, e.process.StartTime
		return n.moveTo(StateCreated)
	})
	return err
}

// enclose gives the container its cgroup: the one its worker waits in, or another one.
func (c *Controller) enclose(ctx context.Context, e *entry, s *spare, worker *spec.Container, made *undo.Stack) (err error) {
	n := e.container()
	_, end := observe.Begin(ctx, observe.StepCgroup)
	defer func() { end(err) }()
	if s.serves(n, worker) {
		e.group = s.group
		err = e.group.Limit(n.Config.Resources)
	} else {
		if s != nil {
			if err := s.leave(ctx); err != nil {
				return err
			}
		}
		e.group, err = c.cgroups.Create(n.CgroupParent, n.ID, n.Config.Resources)
	}
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	made.Push("cgroup", func(ctx context.Context) error {
		return errors.Join(e.group.Kill(), e.group.Remove(ctx))
	})
	return nil
}

// launchFailure is err, or what it comes from where the kernel ended the worker for
// its memory before the guest began.
func (e *entry) launchFailure(err error) error {
	if kills, unknown := e.group.OOMKills(); unknown != nil || kills == 0 {
		return err
	}
	return fmt.Errorf("loading its module takes more memory than its limit of %d bytes: %w",
		e.container().Config.Resources.MemoryLimit, errdefs.ErrFailedPrecondition)
}

// files are the descriptors a worker is born with; its own copies live on when
// the daemon closes these.
type files struct {
	log, exit, stdin, input, calls *os.File
	control                        *net.UnixListener
}

func (f files) close() {
	for _, file := range []*os.File{f.log, f.exit, f.stdin, f.input, f.calls} {
		if file != nil {
			file.Close()
		}
	}
	if f.control != nil {
		f.control.Close()
	}
}

// makeDir makes a container's state directory, by which a later daemon finds what is
// below the cgroup parent.
func (c *Controller) makeDir(id, cgroupParent string) error {
	if err := os.MkdirAll(c.dir(id), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir(id), parentFile), []byte(cgroupParent), 0o600)
}

// openFiles opens what is in the container's state directory, and the log. After an
// error none is open.
func (c *Controller) openFiles(n Container) (f files, err error) {
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.exit, err = os.OpenFile(c.exitFile(n.ID), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return f, err
	}
	if f.calls, err = createCalls(c.callsFile(n.ID)); err != nil {
		return f, err
	}
	if err = lsm.WithSocketLabel(n.Config.SELinux.Process, func() (err error) {
		f.control, err = control.Listen(c.controlSocket(n.ID))
		return err
	}); err != nil {
		return f, err
	}
	switch n.Config.input() {
	case spec.InputTerminal:
		f.input, f.stdin, err = terminal.Open()
	case spec.InputPipe:
		f.stdin, f.input, err = os.Pipe()
	}
	if err == nil && n.LogFile != "" {
		f.log, err = openLog(n.LogFile)
	}
	return f, err
}
