// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// ExecOptions say how to start a command in a container. All files stay the
// caller's.
type ExecOptions struct {
	WorkerPath   string   // the wazelet-worker binary; see also HTTPWorker
	Container    *Process // the container's worker, whose namespaces the command is born in
	Cgroup       Cgroup   // the container's; nil leaves the command in the daemon's
	Spec         spec.Exec
	UserNS       *UserNS // the container's, nil for the daemon's own
	ProcessLabel string  // the container's SELinux label, "" for the daemon's own
	OOMScoreAdj  int     // -1000 to 1000; lowering it may need a privilege the daemon lacks, and is then left undone
	// Stdin, Stdout and Stderr are the command's; nil is /dev/null. With TTY they
	// are the same terminal, which becomes its controlling one.
	Stdin, Stdout, Stderr *os.File
	TTY                   bool
}

// Builtin finds the compiled form of a program of the daemon's own by its name,
// as Compile does for a file; ErrNotFound when there is none.
type Builtin func(ctx context.Context, name string) (dir *os.File, digest string, err error)

// Command is the process of a command in a container.
type Command struct {
	*Process
	leash *net.UnixConn
}

// Release ends the command if it still runs. It comes after the last Wait.
func (c *Command) Release() { _ = c.leash.Close() }

// Exec starts a command in a container. When it returns the program is loaded
// and runs. A program that neither the container's root nor builtin has is
// ErrNotFound, a container that has ended ErrFailedPrecondition. Whatever goes
// wrong, and when ctx ends, the process is killed and reaped before Exec returns.
func Exec(ctx context.Context, o ExecOptions, compile Compile, builtin Builtin) (_ *Command, err error) {
	container, err := o.Container.handle()
	if errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("the container has ended: %w", errdefs.ErrFailedPrecondition)
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(container)
	binary, err := os.Open(filepath.Dir(o.WorkerPath))
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	defer binary.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	files := []*os.File{o.Stdin, o.Stdout, o.Stderr, nil}
	for i := range spec.SetupFD {
		if files[i] == nil {
			files[i] = null
		}
	}
	p, conn, stop, err := start(ctx, child{
		path: "./" + filepath.Base(program(o.WorkerPath, o.Spec.Outbound)), mode: "exec", env: containerEnv, files: files, tty: o.TTY, userns: o.UserNS, late: true, cgroup: o.Cgroup,
		groups: bornGroups(o.Spec.Groups, o.UserNS != nil), labelled: o.ProcessLabel != "",
		enter: func() error {
			if err := labelNext(o.ProcessLabel); err != nil {
				return err
			}
			return enterContainer(container, binary)
		},
	})
	if err != nil {
		return nil, err
	}
	defer stop()
	defer func() {
		if err != nil {
			err = errors.Join(p.explain(ctx, err), p.end(ctx), conn.Close())
		}
	}()
	if err := o.setOOMScore(p.Pid); err != nil {
		return nil, err
	}
	if o.UserNS != nil {
		if err := o.UserNS.write(p.Pid); err != nil {
			return nil, err
		}
	}
	return &Command{Process: p, leash: conn}, o.dialog(ctx, conn, p.Pid, compile, builtin)
}

// labelNext has what the calling thread's next child executes run with an SELinux
// label (proc_pid_attr(5)).
func labelNext(label string) error {
	if label == "" {
		return nil
	}
	if err := os.WriteFile("/proc/thread-self/attr/exec", []byte(label), 0); err != nil {
		return fmt.Errorf("SELinux label %s: %w: %w", label, err, errdefs.ErrFailedPrecondition)
	}
	return nil
}

// enterContainer brings the calling thread into the namespaces of a container's
// worker, its children into its process namespace too, and leaves it in binary,
// the directory with the worker's program: it is the one way to name a file of
// the host's there. The worker leaves that directory first of all.
func enterContainer(worker int, binary *os.File) error {
	// A mount namespace is changed by a thread whose root is its own.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("container's namespaces: %w", err)
	}
	const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET
	err := unix.Setns(worker, namespaces)
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("the container has ended: %w", errdefs.ErrFailedPrecondition)
	}
	if err != nil {
		return fmt.Errorf("container's namespaces: %w", err)
	}
	return unix.Fchdir(int(binary.Fd()))
}

// setOOMScore sets the kernel's preference before the process reads anything. The
// container's root has no procfs to do it from inside.
func (o *ExecOptions) setOOMScore(pid int) error {
	name := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
	err := os.WriteFile(name, []byte(strconv.Itoa(o.OOMScoreAdj)), 0)
	if err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("command's OOM score: %w", err)
	}
	return nil
}

// sendSpec sends the first message, in a user namespace with the procfs that the
// command is not allowed to mount.
func (o *ExecOptions) sendSpec(conn *net.UnixConn, pid int) error {
	o.Spec.UserNS = o.UserNS != nil
	if o.UserNS == nil {
		return wire.Send(conn, o.Spec)
	}
	procfs, err := openProcfs(pid)
	if err != nil {
		return err
	}
	defer procfs.Close()
	return wire.Send(conn, o.Spec, procfs)
}

// dialog leads the worker from its spec to Ready.
func (o *ExecOptions) dialog(ctx context.Context, conn *net.UnixConn, pid int, compile Compile, builtin Builtin) error {
	if err := o.sendSpec(conn, pid); err != nil {
		return err
	}
	resolved, program, err := receiveResolved(conn)
	if err != nil {
		return err
	}
	var dir *os.File
	var digest string
	if program != nil {
		defer program.Close()
		dir, digest, err = compile(ctx, program)
	} else if dir, digest, err = builtin(ctx, resolved.Path); errdefs.IsNotFound(err) {
		return fmt.Errorf("%s: %w", resolved.Missing, errdefs.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", resolved.Path, err)
	}
	return answer(conn, dir, spec.Compiled{Digest: digest, Builtin: program == nil}, false)
}
