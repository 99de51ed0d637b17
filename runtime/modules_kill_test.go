// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/runtime"
)

// compileEnv makes the test binary a daemon that compiles and is killed; it names
// the folders of the cache, the worker and the module.
const compileEnv = "WAZELET_TEST_COMPILE"

func compileUntilKilled() int {
	folders := strings.Split(os.Getenv(compileEnv), ":")
	m, err := runtime.NewModules(runtime.ModulesOptions{Dir: folders[0], WorkerPath: folders[1]})
	if err == nil {
		var module *os.File
		if module, err = os.Open(folders[2]); err == nil {
			_, err = m.Ensure(context.Background(), module)
		}
	}
	fmt.Fprintln(os.Stderr, "not killed in time:", err)
	return 1
}

// largeModule is a file with a module that takes long enough to compile to be
// interrupted: a server written in Go.
func largeModule(t *testing.T) string {
	t.Helper()
	wasm, err := guests.Read(guestDir, "web")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "web.wasm")
	write(t, path, wasm)
	return path
}

// compiler waits until a daemon's compiler is confined, and so at work, and returns
// its process, which the test signals and sees the end of.
func compiler(t *testing.T, daemon int) (pidfd int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		all, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			t.Fatal(err)
		}
		for _, process := range all {
			if !compiles(process, daemon) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(process))
			if err != nil {
				t.Fatal(err)
			}
			if pidfd, err = unix.PidfdOpen(pid, 0); err == nil && compiles(process, daemon) {
				t.Cleanup(func() { unix.Close(pidfd) })
				return pidfd
			}
		}
	}
	t.Fatal("no compiler runs")
	return -1
}

// compiles says whether a process is a compiler of the daemon's under its filter
// (proc_pid_status(5)).
func compiles(process string, daemon int) bool {
	command, err := os.ReadFile(process + "/cmdline")
	if err != nil || string(command) != "wazelet-worker\x00compile\x00" {
		return false
	}
	status, err := os.ReadFile(process + "/status")
	return err == nil && strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", daemon)) &&
		strings.Contains(string(status), "\nSeccomp:\t2\n")
}

func signal(t *testing.T, pidfd int, s unix.Signal) {
	t.Helper()
	if err := unix.PidfdSendSignal(pidfd, s, nil, 0); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the end of a process that need not be a child.
func ends(t *testing.T, pidfd int) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 60_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != 1 {
			t.Fatalf("the compiler goes on: %v", err)
		}
		return
	}
}

// TestAKilledCompilerLeavesNothing, neither its folder nor a memory of a refusal:
// the next one to want the module has it compiled.
func TestAKilledCompilerLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	m := cache(t, dir, 0)
	defer m.Close()
	module, err := os.Open(largeModule(t))
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := m.Ensure(t.Context(), module)
		failed <- err
	}()
	signal(t, compiler(t, os.Getpid()), unix.SIGKILL)
	if err := <-failed; !errdefs.IsResourceExhausted(err) {
		t.Errorf("the compiler was killed: %v", err)
	}
	if n := entriesOf(t, dir); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	compiled, err := m.Ensure(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	compiled.Dir.Close()
}

// TestTheCacheEndsItsCompilers: who waits for one is told, and nothing is left.
func TestTheCacheEndsItsCompilers(t *testing.T) {
	dir := t.TempDir()
	m := cache(t, dir, 0)
	module, err := os.Open(largeModule(t))
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	gone, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 2)
	for _, ctx := range []context.Context{t.Context(), gone} { // one leaves the compiler to the other
		go func() {
			_, err := m.Ensure(ctx, module)
			failed <- err
		}()
	}
	process := compiler(t, os.Getpid())
	giveUp()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	m.Close()
	if n := entriesOf(t, dir); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	if err := <-failed; !errdefs.IsUnavailable(err) {
		t.Errorf("the cache is closed: %v", err)
	}
	ends(t, process)
	if _, err := m.Ensure(t.Context(), module); !errdefs.IsUnavailable(err) {
		t.Errorf("after the end: %v", err)
	}
}

// TestADaemonThatIsKilledWhileItCompiles leaves a folder and a compiler that may
// still write to it. Neither keeps the next daemon from starting, and in the end
// nothing is left of them.
func TestADaemonThatIsKilledWhileItCompiles(t *testing.T) {
	dir, module := t.TempDir(), largeModule(t)
	daemon := exec.Command(os.Args[0])
	daemon.Env = append(os.Environ(), compileEnv+"="+strings.Join([]string{dir, workerPath, module}, ":"))
	daemon.Stderr = os.Stderr
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	process := compiler(t, daemon.Process.Pid)
	signal(t, process, unix.SIGSTOP) // in the middle of it
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Wait(); err == nil {
		t.Fatal("the daemon was not killed")
	}
	if n := entriesOf(t, dir); n != 1 {
		t.Fatalf("%d entries, want the folder that the compiler writes to", n)
	}
	first := cache(t, dir, 0)
	signal(t, process, unix.SIGCONT)
	ends(t, process)
	first.Close()
	next := cache(t, dir, 0)
	defer next.Close()
	if n := entriesOf(t, dir); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	ensure(t, next, wasm)
	if n := entriesOf(t, dir); n != 1 || next.Compiles() != 1 {
		t.Errorf("%d entries, %d compilers", n, next.Compiles())
	}
}
