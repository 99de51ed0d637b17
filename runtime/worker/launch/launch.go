// SPDX-License-Identifier: Apache-2.0

// Package launch is the daemon's side of a worker process: it starts one in
// the pod's network namespace, leads the set-up dialog (package spec), watches
// it by pidfd, and takes it up again after the daemon's restart.
//
// Errors carry a class of containerd/errdefs, whoever reported them.
package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Options say how to start a container's worker. All files stay the caller's.
type Options struct {
	WorkerPath string // the wazelet-worker binary; see also HTTPWorker
	NetNS      string // the pod's network namespace, a path; "" is the daemon's own
	Cgroup     Cgroup // nil leaves the process in the daemon's
	Spec       spec.Container
	Module     *os.File          // the module of an artifact, when Spec.Module is set
	UserNS     *UserNS           // nil for the daemon's own
	Log        *os.File          // the CRI log, write-only and append-only; nil when Spec.Foreground or when there is none
	Exit       *os.File          // the exit record's file, empty, write-only
	Control    *net.UnixListener // the control socket, bound and listening
	// Stdin is the guest's end of the pipe or terminal Spec.Input names, Input
	// the other one (spec.InputFD); nil for none.
	Stdin, Input *os.File
	// Spare is a worker to use if it is still there, nil for none. It has to be in the
	// same namespaces and the same cgroup, and Spec may ask neither for Outbound nor for a
	// ProcessLabel nor for Foreground.
	Spare *Spare
	// Calls is where the worker counts its guest's host calls (package calls);
	// nil for nowhere.
	Calls *os.File
}

// Cgroup is a group for a new process, which is in it before it does anything. See
// cgroup.Group.
type Cgroup interface {
	// Enter brings the calling thread, which ends afterwards, into the group, or returns
	// the directory that a child is to be born in. The error is ErrNotImplemented where a
	// process can only be added.
	Enter() (*os.File, error)
	Add(pid int) error
}

// containerEnv sets the Go runtime of a worker up: one processor, until the guest
// begins (see package worker); no collector of its own, and no attempts to preempt,
// both of which a guest that computes would never answer.
var containerEnv = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1" + quickTables}

// HTTPWorker is the program beside the worker's that does the same and has an HTTP
// client linked in. Only containers that may make requests pay for it.
func HTTPWorker(workerPath string) string { return workerPath + "-http" }

// program is the worker for a container that may make these requests.
func program(workerPath string, outbound *spec.Outbound) string {
	if outbound != nil {
		return HTTPWorker(workerPath)
	}
	return workerPath
}

// Compile turns the module a worker wants to run into the directory of its
// compiled code (engine.Compile), which Container closes, and the module's
// digest.
type Compile func(ctx context.Context, module *os.File) (dir *os.File, digest string, err error)

// Container starts a worker and returns when its module is loaded and it waits
// for the Start call. Whatever goes wrong, and when ctx ends, the process is
// killed and reaped before Container returns.
func Container(ctx context.Context, o Options, compile Compile) (_ *Process, err error) {
	if err := mountable(o.Spec.Root); err != nil {
		return nil, err
	}
	files, closeFiles, err := o.files()
	if err != nil {
		return nil, err
	}
	defer closeFiles()
	p, conn, stop, err := o.begin(ctx, files)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer stop()
	defer func() {
		if err != nil {
			err = errors.Join(o.unheard(p.explain(ctx, err)), p.end(ctx))
		}
	}()
	if err = o.dialog(ctx, conn, p.Pid, compile); err == nil && o.Spec.AppArmor != "" {
		err = p.requireSignals(o.Spec.AppArmor)
	}
	return p, err
}

// begin takes the spare worker, or starts one.
func (o *Options) begin(ctx context.Context, files []*os.File) (p *Process, conn *net.UnixConn, stop func() bool, err error) {
	terminal := o.Spec.Input == spec.InputTerminal
	if o.Spare != nil {
		if p, conn, stop, err = o.Spare.take(ctx, files, terminal); err == nil {
			return p, conn, stop, nil
		}
		log.G(ctx).WithError(err).Debug("the worker that was started beforehand is gone, another one is")
	}
	_, spawned := observe.Begin(ctx, observe.StepSpawn)
	c := containerChild(program(o.WorkerPath, o.Spec.Outbound), "container", o.NetNS, o.Cgroup, files)
	c.rootless, c.userns, c.tty = o.Spec.Rootless, o.UserNS, terminal
	c.groups, c.labelled = bornGroups(o.Spec.Groups, o.Spec.Rootless || o.UserNS != nil), o.Spec.ProcessLabel != ""
	p, conn, stop, err = start(ctx, c)
	spawned(err)
	return p, conn, stop, err
}

// unheard adds to the failure of a worker that could not even report it what its
// AppArmor profile may have to do with it.
func (o *Options) unheard(err error) error {
	if o.Spec.AppArmor == "" || !errdefs.IsInternal(err) {
		return err
	}
	return fmt.Errorf("AppArmor profile %s: forbids what every worker needs, the sockets by which the container is started and stopped, "+
		"if it does not allow them with \"network unix,\" (%v): %w", o.Spec.AppArmor, err, errdefs.ErrFailedPrecondition)
}

// dialog leads the worker from its spec to Ready.
func (o *Options) dialog(ctx context.Context, conn *net.UnixConn, pid int, compile Compile) error {
	o.Spec.UserNS = o.UserNS != nil
	var module []*os.File
	if o.Spec.Module != nil && o.UserNS == nil {
		module = []*os.File{o.Module}
	}
	var resolved spec.Resolved
	var program *os.File
	err := observe.Do(ctx, observe.StepConfine, func(context.Context) (err error) {
		if err = wire.Send(conn, o.Spec, module...); err != nil {
			return err
		}
		if o.UserNS != nil {
			if err = o.sendSources(conn, pid); err != nil {
				return err
			}
		}
		if o.Spec.ProcessLabel != "" {
			if err = o.meetAgain(conn, pid); err != nil {
				return err
			}
		}
		resolved, program, err = receiveResolved(conn)
		return err
	})
	if err != nil {
		return err
	}
	if program == nil {
		return fmt.Errorf("worker resolved %s without its file", resolved.Path)
	}
	defer program.Close()
	compiling, compiled := observe.Begin(ctx, observe.StepModule)
	dir, digest, err := compile(compiling, program)
	compiled(err)
	if err != nil {
		return fmt.Errorf("%s: %w", resolved.Path, err)
	}
	return observe.Do(ctx, observe.StepLoad, func(context.Context) error {
		return answer(conn, dir, spec.Compiled{Digest: digest}, o.Spec.Rootless)
	})
}

// meetAgain tells a worker that has executed itself with the container's label
// what it is.
func (o *Options) meetAgain(conn *net.UnixConn, pid int) error {
	if _, err := wire.Receive(conn, &spec.Entered{}); err != nil {
		return err
	}
	procfs, err := openProcfs(pid)
	if err != nil {
		return err
	}
	defer procfs.Close()
	return wire.Send(conn, o.Spec, procfs)
}

// receiveResolved reads which program the worker wants. The file is nil for one
// that is missing, and otherwise the caller's.
func receiveResolved(conn *net.UnixConn) (spec.Resolved, *os.File, error) {
	var resolved spec.Resolved
	files, err := wire.Receive(conn, &resolved)
	switch {
	case err != nil:
		return resolved, nil, err
	case len(files) == 1 && resolved.Missing == "":
		return resolved, files[0], nil
	case len(files) == 0 && resolved.Missing != "":
		return resolved, nil, nil
	}
	closeAll(files)
	return resolved, nil, fmt.Errorf("worker resolved %s with %d files", resolved.Path, len(files))
}

// answer hands the worker the compiled code, closes dir, and waits until the
// code is loaded.
func answer(conn *net.UnixConn, dir *os.File, compiled spec.Compiled, rootless bool) error {
	defer dir.Close()
	frozen, err := readOnly(dir, rootless)
	if err != nil {
		return err
	}
	defer frozen.Close()
	if err := wire.Send(conn, compiled, frozen); err != nil {
		return err
	}
	_, err = wire.Receive(conn, &spec.Ready{})
	return err
}

// files are the worker's stdio and its descriptors from SetupFD+1 on. What a
// container does without is /dev/null, so that nothing the daemon was born with
// has the number.
func (o *Options) files() (files []*os.File, closeFiles func(), err error) {
	listener, err := o.Control.File()
	if err != nil {
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		listener.Close()
		return nil, nil, err
	}
	or := func(f *os.File) *os.File {
		if f != nil {
			return f
		}
		return null
	}
	files = []*os.File{null, null, null, nil, listener, o.Exit, or(o.Log), or(o.Input), or(o.Calls)}
	switch {
	case o.Spec.Foreground:
		copy(files, []*os.File{os.Stdin, os.Stdout, os.Stderr})
	case o.Spec.Input == spec.InputTerminal:
		copy(files, []*os.File{o.Stdin, o.Stdin, o.Stdin})
	case o.Spec.Input == spec.InputPipe:
		files[0] = o.Stdin
	}
	return files, func() { null.Close(); listener.Close() }, nil
}

// readOnly returns the directory as a mount that cannot be written through:
// the code a worker loads is not its own to change, whatever user it is. A
// user without privileges cannot make mounts, and has no other user's code.
func readOnly(dir *os.File, rootless bool) (*os.File, error) {
	fd, err := unix.OpenTree(int(dir.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err == unix.EPERM && rootless {
		fd, err = unix.FcntlInt(dir.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("compiled code: %w", err)
		}
		return os.NewFile(uintptr(fd), dir.Name()), nil
	}
	if err != nil {
		return nil, fmt.Errorf("compiled code: mount: %w", err)
	}
	defer unix.Close(fd)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return nil, fmt.Errorf("compiled code: mount: %w", err)
	}
	// A mount's own descriptor is O_PATH; the directory is opened through it.
	open, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("compiled code: %w", err)
	}
	return os.NewFile(uintptr(open), dir.Name()), nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
