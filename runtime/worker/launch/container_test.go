// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

func TestGuestRunsToItsEnd(t *testing.T) {
	c := define(t, guestPath, "args", "env,GREETING", "cwd", "stdin")
	c.options.Spec.Env = []string{"GREETING=hello, world", "PWD=/"}
	before := time.Now()
	exit, got := c.run()
	want := []string{"args: /guest.wasm args env,GREETING cwd stdin", "env,GREETING: hello, world", "cwd: /", "stdin: "}
	if join(got) != join(want) {
		t.Errorf("log:\n%s\nwant:\n%s", join(got), join(want))
	}
	if exit.Code != 0 || exit.Reason != spec.ReasonCompleted || exit.Message != "" {
		t.Errorf("exit %+v", exit)
	}
	if exit.StartedAt.Before(before) || exit.FinishedAt.Before(exit.StartedAt) || exit.FinishedAt.After(time.Now()) {
		t.Errorf("started %v, finished %v", exit.StartedAt, exit.FinishedAt)
	}
}

func TestExitCodeIsTheGuestsOwn(t *testing.T) {
	for code, want := range map[int32]int32{0: 0, 3: 3, 255: 255, 256: 0, -1: 255} {
		exit, _ := define(t, moduleFile(t, enginetest.Exit(code))).run()
		if exit.Code != want || (exit.Reason == spec.ReasonError) != (want != 0) {
			t.Errorf("proc_exit(%d): %+v, want code %d", code, exit, want)
		}
	}
}

func TestGuestWaitsAtTheGate(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Print(1, "ran\n")))
	if err := c.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines := c.lines(); len(lines) != 0 {
		t.Fatalf("before its start the guest logged %q", lines)
	}
	started, err := c.client.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exit := c.wait()
	if !exit.StartedAt.Equal(started) || join(c.lines()) != "ran" {
		t.Errorf("start said %v, exit %+v, log %q", started, exit, c.lines())
	}
}

func TestTrapIsToldEverywhere(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Trap()))
	termination := c.path("termination")
	create(t, termination, 0)
	c.options.Spec.TerminationMessagePath = "/dev/termination-log"
	c.options.Spec.Mounts = []spec.Mount{{Type: spec.MountBind, Source: termination, Destination: "/dev/termination-log"}}
	exit, log := c.run()
	if exit.Code != 134 || exit.Reason != spec.ReasonError || exit.Message != "wasm trap: unreachable" {
		t.Errorf("exit %+v", exit)
	}
	want := "wasm trap: unreachable\n    at crash()\n    at _start()"
	if join(log) != want {
		t.Errorf("log:\n%s\nwant:\n%s", join(log), want)
	}
	if text, err := os.ReadFile(termination); err != nil || string(text) != want {
		t.Errorf("termination log %q, %v", text, err)
	}
}

// TestTrapLeavesTheGuestsLastWords has a guest that wrote its own termination
// message before the fault.
func TestTrapLeavesTheGuestsLastWords(t *testing.T) {
	c := define(t, guestPath, "write,/dev/termination-log,farewell", "panic")
	termination := c.path("termination")
	create(t, termination, 0)
	c.options.Spec.TerminationMessagePath = "/dev/termination-log"
	c.options.Spec.Mounts = []spec.Mount{{Type: spec.MountBind, Source: termination, Destination: "/dev/termination-log"}}
	exit, log := c.run()
	if exit.Code != 2 { // a Go panic is an exit, not a trap
		t.Errorf("exit %+v, log:\n%s", exit, join(log))
	}
	if text, _ := os.ReadFile(termination); string(text) != "farewell" {
		t.Errorf("termination log %q", text)
	}
	if !strings.Contains(join(log), "panic: as told") {
		t.Errorf("log:\n%s", join(log))
	}
}

func TestSignalEndsTheContainer(t *testing.T) {
	for name, module := range map[string]string{
		"computing": moduleFile(t, enginetest.Spin("spinning\n")),
		"logging":   moduleFile(t, enginetest.PrintForever("spinning\n")),
		"sleeping":  guestPath,
	} {
		for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGINT} {
			t.Run(fmt.Sprintf("%s/%s", name, unix.SignalName(sig)), func(t *testing.T) {
				c := define(t, module, "exit", "sleep,1h")
				if module == guestPath {
					c = define(t, module, "args", "sleep,1h")
				}
				c.start()
				c.awaitLog()
				began := time.Now()
				if err := c.process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				exit := c.wait()
				if exit.Code != 128+int32(sig) || exit.Reason != spec.ReasonError {
					t.Errorf("exit %+v", exit)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("the end took %s", took)
				}
			})
		}
	}
}

func TestSignalBeforeTheStart(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Spin("never\n")))
	if err := c.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit := c.wait(); exit.Code != 143 || !exit.StartedAt.IsZero() {
		t.Errorf("exit %+v", exit)
	}
}

// TestControlAnswersBesideASpinningGuest is the promise that a guest which
// never makes a host call cannot hold up the daemon.
func TestControlAnswersBesideASpinningGuest(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Spin("spinning\n")))
	c.start()
	c.awaitLog()
	for i := range 50 {
		f := create(t, c.path(fmt.Sprintf("log.%d", i)), os.O_APPEND)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := c.client.ReopenLog(ctx, f)
		cancel()
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		f.Close()
	}
}

func TestReopenedLogGetsEveryFurtherLine(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.PrintForever("line\n")))
	c.start()
	c.awaitLog()
	if err := os.Rename(c.path("log"), c.path("log.old")); err != nil {
		t.Fatal(err)
	}
	if err := c.client.ReopenLog(t.Context(), create(t, c.path("log"), os.O_APPEND)); err != nil {
		t.Fatal(err)
	}
	old := size(t, c.path("log.old"))
	c.awaitLog()
	if now := size(t, c.path("log.old")); now != old {
		t.Errorf("the old log grew from %d to %d bytes after it was replaced", old, now)
	}
}

// TestMemoryStaysBounded has a guest make 200,000 host calls that leave
// garbage. Go's own collector is off, so the worker's has to run.
func TestMemoryStaysBounded(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.HostCalls(200_000)))
	if err := c.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := peak(t, c.process.Pid)
	if _, err := c.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.awaitLog()
	// The garbage of all calls is 200 MB.
	if grown := peak(t, c.process.Pid) - before; grown > 16<<10 {
		t.Errorf("the worker grew by %d kB", grown)
	}
}

func TestCorruptCacheIsNamed(t *testing.T) {
	wasm := moduleFile(t, enginetest.Exit(0))
	for name, spoil := range map[string]func(dir string) error{
		"no entry":        func(dir string) error { return os.Remove(onlyEntry(t, dir)) },
		"truncated entry": func(dir string) error { return os.Truncate(onlyEntry(t, dir), 20) },
		"flipped bit":     func(dir string) error { return flip(onlyEntry(t, dir)) },
		"no info":         func(dir string) error { return os.Remove(dir + "/info.json") },
		"other engine": func(dir string) error {
			return os.WriteFile(dir+"/info.json", []byte(`{"kind":"command","platform":"x"}`), 0o644)
		},
		"no module":    func(dir string) error { return os.Remove(dir + "/module.wasm") },
		"no functions": func(dir string) error { return os.Remove(dir + "/functions") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := compileFresh(t, wasm)
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			c := define(t, wasm)
			_, err := launch.Container(t.Context(), c.options, func(context.Context, *os.File) (*os.File, string, error) {
				f, err := os.Open(dir)
				return f, "sha256:0", err
			})
			if !errdefs.IsDataLoss(err) {
				t.Errorf("got %v, want data loss", err)
			}
		})
	}
}

func TestNothingIsLeftOfAFailedSetup(t *testing.T) {
	reason := errors.New("no room")
	c := define(t, moduleFile(t, enginetest.Exit(0)))
	_, err := launch.Container(t.Context(), c.options, func(context.Context, *os.File) (*os.File, string, error) {
		return nil, "", reason
	})
	if !errors.Is(err, reason) {
		t.Fatalf("got %v", err)
	}
	if size(t, c.path("exit")) != 0 || size(t, c.path("log")) != 0 {
		t.Error("a container that never was left a record")
	}
	assertNoChildren(t)
}

func TestSetupEndsWithItsContext(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Exit(0)))
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the caller is gone")
	_, err := launch.Container(ctx, c.options, func(ctx context.Context, _ *os.File) (*os.File, string, error) {
		cancel(gone)
		<-ctx.Done()
		return nil, "", ctx.Err()
	})
	if !errors.Is(err, gone) {
		t.Fatalf("got %v", err)
	}
	if size(t, c.path("exit")) != 0 {
		t.Error("a container that never was left a record")
	}
	assertNoChildren(t)
}

// TestWorkerGoesWithItsDaemon closes the set-up socket at every stage, as the
// kernel does for a daemon that is killed: the worker must end by itself,
// without a record.
func TestWorkerGoesWithItsDaemon(t *testing.T) {
	stages := []func(*container, *net.UnixConn) error{
		func(c *container, conn *net.UnixConn) error { return wire.Send(conn, c.options.Spec, c.options.Module) },
		func(_ *container, conn *net.UnixConn) error {
			files, err := wire.Receive(conn, &spec.Resolved{})
			for _, f := range files {
				f.Close()
			}
			return err
		},
		func(c *container, conn *net.UnixConn) error {
			dir, digest, err := compileCached(c.t)(c.t.Context(), c.options.Module)
			if err != nil {
				return err
			}
			defer dir.Close()
			return wire.Send(conn, spec.Compiled{Digest: digest}, dir)
		},
	}
	for n := range len(stages) + 1 {
		t.Run(fmt.Sprintf("after %d messages", n), func(t *testing.T) {
			c := define(t, moduleFile(t, enginetest.Exit(0)))
			p, conn, closeConn, err := launch.StartOnly(t.Context(), c.options)
			if err != nil {
				t.Fatal(err)
			}
			for _, stage := range stages[:n] {
				if err := stage(c, conn); err != nil {
					t.Fatal(err)
				}
			}
			closeConn()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			status, err := p.Wait(ctx)
			if err != nil || status.Code != 1 {
				t.Errorf("status %+v, %v", status, err)
			}
			if size(t, c.path("exit")) != 0 || size(t, c.path("log")) != 0 {
				t.Error("a container that never was left a record")
			}
		})
	}
}

func TestCgroupComesBeforeEverything(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Exit(0)))
	refused := errors.New("no such controller")
	c.options.Cgroup = added(func(pid int) error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil || !strings.Contains(string(status), "wazelet-worker") {
			t.Errorf("process %d: %v\n%s", pid, err, status)
		}
		return refused
	})
	if err := c.launch(t.Context()); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	assertNoChildren(t)
}

// TestCrashOfTheWorkerItself leaves the Go runtime's words where the record
// would be.
func TestCrashOfTheWorkerItself(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Spin("spinning\n")))
	c.start()
	c.awaitLog()
	if err := c.process.Signal(unix.SIGABRT); err != nil {
		t.Fatal(err)
	}
	if _, err := c.process.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(c.path("exit"))
	if err != nil {
		t.Fatal(err)
	}
	exit, err := spec.ParseExit(raw)
	if err != nil || exit.Code != 134 || exit.Message != "worker crashed: SIGABRT: abort" {
		t.Errorf("exit %+v, %v; file %.300q", exit, err, raw)
	}
}
