// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Process is a worker process, started by this daemon or adopted from an
// earlier one. Its methods are safe for concurrent use.
type Process struct {
	Pid       int    // in the daemon's pid namespace
	StartTime uint64 // in clock ticks since boot: with Pid it names the process for good

	mu     sync.Mutex
	pidfd  int // -1 once the process is gone and reaped
	status Status
	over   chan struct{} // made by the first Wait, closed at the end
}

// Status is how a process ended, as the kernel tells its parent. The exit code
// of a process that is nobody's child of ours is not Known.
type Status struct {
	Known bool
	Code  int32 // the exit code, or 128 plus the signal that killed it
}

// Adopt takes up a worker that another daemon started. The error is ErrNotFound
// when it is gone, even if its pid belongs to another process by now.
func Adopt(pid int, started uint64) (*Process, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("worker %d: %w", pid, errdefs.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("worker %d: %w", pid, err)
	}
	// The pidfd holds the process; only now is it worth asking which it is.
	have, err := startTime(pid)
	if err == nil && have != started {
		err = fmt.Errorf("worker %d: %w", pid, errdefs.ErrNotFound)
	}
	if err != nil {
		unix.Close(pidfd)
		return nil, err
	}
	return &Process{Pid: pid, StartTime: started, pidfd: pidfd}, nil
}

// Signal sends a signal. A process that is gone is ErrNotFound.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd < 0 {
		return fmt.Errorf("worker %d: %w", p.Pid, errdefs.ErrNotFound)
	}
	err := unix.PidfdSendSignal(p.pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("worker %d: %w", p.Pid, errdefs.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("worker %d: %s: %w", p.Pid, sig, err)
	}
	return nil
}

// requireSignals finds out whether the process can be ended, which an AppArmor
// profile may forbid.
func (p *Process) requireSignals(profile string) error {
	const none = 0 // is asked for like any signal and does nothing (kill(2))
	err := p.Signal(none)
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		return err
	}
	p.watch() // it must be reaped when its cgroup is killed
	return fmt.Errorf("AppArmor profile %s: forbids the signals by which the container is stopped, allow them with \"signal (receive) peer=unconfined,\": %w",
		profile, errdefs.ErrFailedPrecondition)
}

// handle returns a pidfd of the process for the caller's own, who closes it.
func (p *Process) handle() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd < 0 {
		return -1, fmt.Errorf("worker %d: %w", p.Pid, errdefs.ErrNotFound)
	}
	fd, err := unix.FcntlInt(uintptr(p.pidfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("worker %d: %w", p.Pid, err)
	}
	return fd, nil
}

// Kill kills the process and waits for its end. One that is gone is fine.
func (p *Process) Kill(ctx context.Context) error {
	if err := p.Signal(unix.SIGKILL); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	_, err := p.Wait(ctx)
	return err
}

// endTimeout bounds the wait for a killed process. Only the kernel can hold one
// longer, as with a network file system that does not answer.
const endTimeout = 30 * time.Second

// end kills the process and waits for it even when ctx is over.
func (p *Process) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), endTimeout,
		fmt.Errorf("worker %d: killed, but not gone after %s", p.Pid, endTimeout))
	defer cancel()
	return p.Kill(ctx)
}

// Wait waits for the process's end, reaps it when it is a child, and returns
// how it ended; again: the same. The only errors are ctx's, and the kernel's.
func (p *Process) Wait(ctx context.Context) (Status, error) {
	over := p.watch()
	select {
	case <-over:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.status, nil
	case <-ctx.Done():
		return Status{}, context.Cause(ctx)
	}
}

// watch starts the one goroutine that waits for the process.
func (p *Process) watch() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over == nil {
		p.over = make(chan struct{})
		go p.reap(p.pidfd)
	}
	return p.over
}

// reap waits on the Go runtime's poller, which knows pidfds as readable at the
// process's end (pidfd_open(2)): no thread is held for a worker.
func (p *Process) reap(pidfd int) {
	status := awaitExit(pidfd)
	p.mu.Lock()
	defer p.mu.Unlock()
	unix.Close(p.pidfd)
	p.pidfd, p.status = -1, status
	close(p.over)
}

func awaitExit(pidfd int) Status {
	if err := awaitReadable(pidfd); err != nil {
		// The poller is out of reach; a blocking wait costs a thread.
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		_ = retry(func() error { _, err := unix.Poll(fds, -1); return err })
	}
	var info unix.Siginfo
	if err := retry(func() error { return waitid(pidfd, &info) }); err != nil {
		return Status{} // ECHILD: adopted, init has reaped it
	}
	return statusOf(&info)
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// startTime reads when a process started (proc_pid_stat(5), field 22).
func startTime(pid int) (uint64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, fmt.Errorf("worker %d: %w", pid, errdefs.ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	return parseStartTime(string(raw))
}

// parseStartTime skips the command's name, the second field, which may hold
// anything.
func parseStartTime(stat string) (uint64, error) {
	const afterName = 22 - 3 // the third field is the first one here
	name := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[name+1:])
	if name < 0 || len(fields) <= afterName {
		return 0, fmt.Errorf("process status %.64q: too short", stat)
	}
	return strconv.ParseUint(fields[afterName], 10, 64)
}

// explain makes the best of a failed set-up: the caller's reason when that
// ended it, and how the worker died when all there is is a closed socket.
func (p *Process) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		if status, waitErr := p.Wait(ctx); waitErr == nil && status.Known {
			return fmt.Errorf("worker ended with code %d before its container was ready: %w", status.Code, errdefs.ErrInternal)
		}
	}
	return Classify(err)
}

// Classify gives a worker's failure the class of containerd/errdefs that
// stands for it. Other errors stay as they are.
func Classify(err error) error {
	failure, ok := errors.AsType[*spec.Failure](err)
	if !ok {
		return err
	}
	class := classOf(failure.Class)
	if errors.Is(err, class) {
		return err
	}
	return fmt.Errorf("%w: %w", err, class)
}

func classOf(class string) error {
	switch class {
	case spec.Invalid:
		return errdefs.ErrInvalidArgument
	case spec.NotFound:
		return errdefs.ErrNotFound
	case spec.FailedPrecondition:
		return errdefs.ErrFailedPrecondition
	case spec.CorruptCache:
		return errdefs.ErrDataLoss
	}
	return errdefs.ErrInternal
}
