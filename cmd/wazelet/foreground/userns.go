// SPDX-License-Identifier: Apache-2.0

package foreground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	goruntime "runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// NeedsUserNamespace reports whether this process lacks what a run needs, and
// should run again inside [UserNamespace].
func NeedsUserNamespace() bool { return os.Geteuid() != 0 }

// Rootless reports whether root is but one mapped user: then ids cannot be
// changed and groups not be set, user_namespaces(7).
func Rootless() bool {
	setgroups, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(setgroups)) == "deny"
}

// UserNamespace runs this program again with the same arguments, as root of a
// user namespace that holds nobody but the caller, and returns its exit code.
// So there is one way of running, with root or without.
func UserNamespace(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	// The child is killed when the thread that made it ends (prctl(2),
	// PR_SET_PDEATHSIG): so it must be one that ends with the process.
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("user namespace: %w; `wazelet doctor` says how to allow it, root needs none", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			// That it has just ended will be known soon.
			if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return 0, err
			}
		case err := <-ended:
			return childCode(cmd, err)
		}
	}
}

// childCode is the exit code of a child as a shell has it.
func childCode(cmd *exec.Cmd, err error) (int, error) {
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		return 0, err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return signalBase + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
