// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// jailPath is a program that confines itself with this package and then tries
// to get out; the shipped worker has no such mode.
var jailPath string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "confine")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	jailPath = filepath.Join(dir, "jail")
	cmd := exec.Command("go", "build", "-p", "1", "-o", jailPath, "./testdata/jail")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// jail runs one attempt in new namespaces and returns what it printed and how
// it ended.
func jail(t *testing.T, c spec.Container, attempt string, args ...string) (string, *os.ProcessState) {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	const flags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	return runJail(t, flags, append([]string{string(raw), attempt}, args...)...)
}

func runJail(t *testing.T, flags uintptr, args ...string) (string, *os.ProcessState) {
	t.Helper()
	cmd := exec.Command(jailPath, args...)
	cmd.Env = []string{"GOTRACEBACK=none"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	out, err := cmd.Output()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)), cmd.ProcessState
}

// roomy is a container with a writable /tmp and the host's procfs, of which it
// is uid 0's guest: the user with the most rights.
func roomy() spec.Container {
	return spec.Container{Mounts: []spec.Mount{
		{Type: spec.MountTmpfs, Destination: "/tmp"},
		{Type: spec.MountBind, Source: "/proc", Destination: "/hostproc"},
	}}
}

func TestDangerousCallsEndTheProcess(t *testing.T) {
	for _, attempt := range []string{
		"execve", "execveat", "ptrace", "mount", "umount", "pivot_root", "chroot", "open_tree", "fsopen", "mount_setattr",
		"setns", "unshare", "bpf", "perf", "io_uring", "userfaultfd", "keyctl", "setuid", "capset", "mknod", "fifo", "handle",
		"vm_writev", "pidfd_getfd", "fork", "new pid space", "reboot", "sethostname", "seccomp",
	} {
		t.Run(attempt, func(t *testing.T) {
			out, state := jail(t, roomy(), attempt)
			status := state.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.Signal() != unix.SIGSYS {
				t.Errorf("%s, printed %q; want SIGSYS", state, out)
			}
		})
	}
}

func TestUselessCallsFail(t *testing.T) {
	for attempt, want := range map[string]error{
		"kill all":              unix.EPERM,
		"kill a neighbor":       unix.EPERM,
		"clone3":                unix.ENOSYS,
		"unknown call":          unix.ENOSYS,
		"netlink":               unix.EAFNOSUPPORT,
		"packet":                unix.EAFNOSUPPORT,
		"vsock":                 unix.EAFNOSUPPORT,
		"alg":                   unix.EAFNOSUPPORT,
		"tiocsti":               unix.ENOTTY,
		"dumpable":              unix.EINVAL,
		"raise limits":          unix.EPERM,
		"chmod":                 unix.ENOSYS,
		"chown":                 unix.ENOSYS,
		"memfd":                 unix.ENOSYS,
		"own memory":            unix.ENOENT,
		"own descriptors":       unix.ENOENT,
		"host memory":           unix.EROFS,
		"sysctl":                unix.EROFS,
		"bind socket":           unix.EACCES,
		"executable after seal": unix.EPERM,
		"mprotect after seal":   unix.EPERM,
		"profile after seal":    unix.ENOSYS,
	} {
		t.Run(attempt, func(t *testing.T) {
			out, state := jail(t, roomy(), attempt)
			if out != want.Error() || state.ExitCode() != 0 {
				t.Errorf("%s, printed %q; want %q", state, out, want)
			}
		})
	}
}

func TestHonestCallsGoOnWorking(t *testing.T) {
	for _, attempt := range []string{
		"executable before seal", "tcp", "tcp6", "unix", "rename across directories", "new threads", "signal itself", "collect", "profile",
	} {
		t.Run(attempt, func(t *testing.T) {
			if out, state := jail(t, roomy(), attempt); out != "it worked" || state.ExitCode() != 0 {
				t.Errorf("%s, printed %q", state, out)
			}
		})
	}
}

// TestAbstractSocketsOfOthers: they belong to the network namespace, which the
// pod's other containers share, and no file system keeps guests from them.
func TestAbstractSocketsOfOthers(t *testing.T) {
	name := filepath.Base(t.TempDir()) + t.Name()
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, state := jail(t, roomy(), "abstract socket", name)
	if out != unix.EPERM.Error() {
		t.Errorf("%s, printed %q", state, out)
	}
}

// TestCompilerReachesItsOutputAlone is the compiler's half of the walls.
func TestCompilerReachesItsOutputAlone(t *testing.T) {
	for attempt, want := range map[string]string{
		"write output":        "it worked",
		"write beside output": "open /file: read-only file system",
		"list the root":       "[d out/]",
		"user":                "65534 65534 65534 65534",
		"reach out":           unix.ENETUNREACH.Error(),
		"own memory":          unix.ENOENT.Error(),
		"kill all":            unix.EPERM.Error(),
		"new threads":         "it worked",
	} {
		t.Run(attempt, func(t *testing.T) {
			out := t.TempDir()
			if err := os.Chown(out, 65534, 65534); err != nil {
				t.Fatal(err)
			}
			const flags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET
			if got, state := runJail(t, flags, out, attempt); got != want || state.ExitCode() != 0 {
				t.Errorf("%s, printed %q, want %q", state, got, want)
			}
		})
	}
	out, state := runJail(t, unix.CLONE_NEWNS|unix.CLONE_NEWPID, t.TempDir(), "execve")
	if status := state.Sys().(syscall.WaitStatus); status.Signal() != unix.SIGSYS {
		t.Errorf("execve: %s, printed %q", state, out)
	}
}
