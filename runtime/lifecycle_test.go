// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
)

func TestAContainerRunsAndIsRemoved(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("one")
	c := d.create(sb, d.pull("print:1", tiny.Print("to stdout\n", "to stderr\n", 3)), nil)
	if c.State != runtime.StateCreated || c.Pid == 0 {
		t.Fatalf("after create: %+v", c)
	}
	d.must(d.containers.Start(t.Context(), c.ID))
	c = d.ended(c.ID)
	if c.ExitCode != 3 || c.Reason != runtime.ReasonError || c.StartedAt.IsZero() || c.FinishedAt.Before(c.StartedAt) || c.StartedAt.Before(c.CreatedAt) {
		t.Errorf("after its end: %+v", c)
	}
	d.logged(c, " stdout F to stdout\n")
	d.logged(c, " stderr F to stderr\n")
	if err := d.containers.Start(t.Context(), c.ID); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("starting it again: %v", err)
	}
	for range 2 {
		d.must(d.containers.Remove(t.Context(), c.ID))
	}
	if _, err := d.containers.Get(c.ID); !errdefs.IsNotFound(err) {
		t.Errorf("after remove: %v", err)
	}
	d.nothingLeft()
}

func TestATrapIs134WithItsText(t *testing.T) {
	d := newDaemon(t)
	c := d.create(d.pod("trap"), d.pull("trap:1", tiny.Trap()), nil)
	d.must(d.containers.Start(t.Context(), c.ID))
	c = d.ended(c.ID)
	if c.ExitCode != 134 || !strings.Contains(c.Message, "unreachable") {
		t.Errorf("got %d %q", c.ExitCode, c.Message)
	}
	d.logged(c, "unreachable")
}

// TestACrashOfTheWorkerIsTold in the container's message, with a time.
func TestACrashOfTheWorkerIsTold(t *testing.T) {
	d := newDaemon(t)
	c := d.create(d.pod("crash"), d.pull("pause:1", tiny.Pause("up\n")), nil)
	d.must(d.containers.Start(t.Context(), c.ID))
	d.logged(c, "up\n")
	d.must(unix.Kill(c.Pid, unix.SIGABRT))
	c = d.ended(c.ID)
	if c.ExitCode != 134 || c.Reason != runtime.ReasonError || c.Message != "worker crashed: SIGABRT: abort" || c.FinishedAt.Before(c.StartedAt) || c.StartedAt.IsZero() {
		t.Errorf("got %+v", c)
	}
}

// TestALimitTooSmallToLoadIn is told as that, and costs nothing.
func TestALimitTooSmallToLoadIn(t *testing.T) {
	d := newDaemon(t)
	web, err := guests.Read(guestDir, "web")
	d.must(err)
	img := d.pull("web:1", web)
	_, err = d.containers.Create(t.Context(), d.pod("small").ID, runtime.Config{
		Name: "main", ImageID: img.ID, Resources: cgroup.Resources{MemoryLimit: 5 << 19},
	})
	want := "container main: loading its module takes more memory than its limit of 2621440 bytes: failed precondition"
	if !errdefs.IsFailedPrecondition(err) || err.Error() != want {
		t.Errorf("got %v", err)
	}
	d.nothingLeft()
}

func TestStopEndsASpinningGuestAtOnce(t *testing.T) {
	d := newDaemon(t)
	c := d.create(d.pod("spin"), d.pull("spin:1", tiny.Spin()), nil)
	d.must(d.containers.Start(t.Context(), c.ID))
	began := time.Now()
	d.must(d.containers.Stop(t.Context(), c.ID, time.Minute))
	if c = d.ended(c.ID); c.ExitCode != 143 {
		t.Errorf("exit code %d", c.ExitCode)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the grace period was waited out: %s", took)
	}
	d.must(d.containers.Stop(t.Context(), c.ID, 0))
}

func TestTheStopSignalIsThePodsOwn(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("signals")
	img := d.pull("pause:1", tiny.Pause("up\n"))
	for signal, code := range map[string]int32{"": 143, "SIGQUIT": 131, "USR1": 138, "SIGRTMIN+3": 143, "nonsense": 143} {
		c := d.create(sb, img, func(c *runtime.Config) { c.Name, c.StopSignal = "c"+signal, signal })
		d.must(d.containers.Start(t.Context(), c.ID))
		d.must(d.containers.Stop(t.Context(), c.ID, time.Minute))
		if c = d.ended(c.ID); c.ExitCode != code {
			t.Errorf("%q: exit code %d, want %d", signal, c.ExitCode, code)
		}
	}
}

func TestMemoryBeyondTheLimitIsOOMKilled(t *testing.T) {
	d := newDaemon(t)
	c := d.create(d.pod("hog"), d.pull("hog:1", tiny.Hog()), func(c *runtime.Config) {
		c.Resources = cgroup.Resources{MemoryLimit: 32 << 20, MemorySwapLimit: 32 << 20}
	})
	d.must(d.containers.Start(t.Context(), c.ID))
	if c = d.ended(c.ID); c.ExitCode != 137 || c.Reason != runtime.ReasonOOMKilled {
		t.Errorf("got %d %s %q", c.ExitCode, c.Reason, c.Message)
	}
}

func TestGrowthFailsInTheGuestWhereThatIsAskedFor(t *testing.T) {
	d := newDaemon(t)
	c := d.create(d.pod("bounded"), d.pull("hog:1", tiny.Hog()), func(c *runtime.Config) {
		c.Resources = cgroup.Resources{MemoryLimit: 64 << 20, MemorySwapLimit: 64 << 20}
		c.MemoryGrowFail = true
	})
	d.must(d.containers.Start(t.Context(), c.ID))
	if c = d.ended(c.ID); c.Reason == runtime.ReasonOOMKilled || c.ExitCode == 137 {
		t.Errorf("got %d %s %q", c.ExitCode, c.Reason, c.Message)
	}
}

func TestAFailedCreateSaysWhyAndLeavesNothing(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("failing")
	good := d.pull("good:1", tiny.Hello("x"))
	for name, c := range map[string]struct {
		module []byte
		edit   func(*runtime.Config)
		class  func(error) bool
		says   string
	}{
		"absent mount source": {edit: func(c *runtime.Config) {
			c.Mounts = []runtime.Mount{{ContainerPath: "/data", HostPath: "/nowhere/at/all"}}
		}, class: errdefs.IsNotFound, says: "/nowhere/at/all"},
		"absent program": {edit: func(c *runtime.Config) { c.Command = []string{"/bin/sh"} }, class: errdefs.IsNotFound, says: "/bin/sh"},
		"component":      {module: tiny.Component(), class: errdefs.IsInvalidArgument, says: "component"},
		"missing import": {module: tiny.MissingImport(), class: errdefs.IsInvalidArgument, says: "env."},
		"no _start":      {module: tiny.NoStart(), class: errdefs.IsInvalidArgument, says: "_start"},
		"truncated":      {module: tiny.Truncated(), class: errdefs.IsInvalidArgument, says: "module"},
		"not a module":   {module: []byte("#!/bin/sh\necho hi\n"), class: errdefs.IsInvalidArgument, says: "script"},
		"unknown user": {edit: func(c *runtime.Config) { c.User.Name = "nobody-here" }, class: func(err error) bool {
			return errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err)
		}, says: "nobody-here"},
		"impossible limit": {edit: func(c *runtime.Config) { c.Resources.CPUSetCPUs = "4000" }, class: func(err error) bool { return err != nil }, says: "cpuset"},
	} {
		t.Run(name, func(t *testing.T) {
			img := good
			if c.module != nil {
				img = d.pull("bad:"+strings.ReplaceAll(name, " ", "-"), c.module)
			}
			config := runtime.Config{Name: "main", ImageID: img.ID, LogPath: "main.log"}
			if c.edit != nil {
				c.edit(&config)
			}
			for range 2 { // the second time from what is remembered
				_, err := d.containers.Create(t.Context(), sb.ID, config)
				if !c.class(err) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v; want one that says %q", err, c.says)
				}
			}
			d.nothingLeft()
		})
	}
}

func TestCallsWithOneNameShareOneContainer(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("joined")
	img := d.pull("hello:1", tiny.Hello("x"))
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = d.create(sb, img, nil).ID })
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("ids %q", ids)
		}
	}
	if n := len(d.containers.List()); n != 1 {
		t.Errorf("%d containers", n)
	}
	if again := d.create(sb, img, func(c *runtime.Config) { c.Attempt = 1 }); again.ID == ids[0] {
		t.Error("another attempt is the same container")
	}
}

func TestACallerThatGivesUpFindsItsContainerLater(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("late")
	img := d.pull("hello:1", tiny.Hello("x"))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	config := runtime.Config{Name: "main", ImageID: img.ID, LogPath: "main.log"}
	if _, err := d.containers.Create(gone, sb.ID, config); err == nil {
		t.Log("it was faster than the caller's impatience")
	}
	first := d.create(sb, img, nil)
	if n := len(d.containers.List()); n != 1 || first.State != runtime.StateCreated {
		t.Errorf("%d containers, %s", n, first.State)
	}
}

func TestLogIsReopenedBesideASpinningGuest(t *testing.T) {
	d := newDaemon(t)
	c := d.create(d.pod("rotated"), d.pull("spin:1", tiny.Spin()), nil)
	d.must(d.containers.Start(t.Context(), c.ID))
	d.must(os.Rename(c.LogFile, c.LogFile+".1"))
	d.must(d.containers.ReopenLog(t.Context(), c.ID))
	if _, err := os.Stat(c.LogFile); err != nil {
		t.Error(err)
	}
	d.must(d.containers.Stop(t.Context(), c.ID, 0))
	if err := d.containers.ReopenLog(t.Context(), c.ID); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("after its end: %v", err)
	}
}

func TestACorruptCompiledModuleIsRebuilt(t *testing.T) {
	d := newDaemon(t)
	img := d.pull("hello:1", tiny.Hello("whole again\n"))
	sb := d.pod("healed")
	d.create(sb, img, nil)
	entries, err := filepath.Glob(filepath.Join(d.root, "modules", "*", "wazero-*", "*"))
	d.must(err)
	if len(entries) == 0 {
		t.Fatal("no compiled code")
	}
	for _, path := range entries {
		raw, err := os.ReadFile(path)
		d.must(err)
		d.must(os.WriteFile(path, bytes.Repeat([]byte{0xff}, len(raw)), 0o444))
	}
	c := d.create(sb, img, func(c *runtime.Config) { c.Attempt = 1 })
	d.must(d.containers.Start(t.Context(), c.ID))
	if c = d.ended(c.ID); c.ExitCode != 0 || c.Reason != runtime.ReasonCompleted {
		t.Errorf("got %+v", c)
	}
	d.logged(c, "whole again")
}

func TestContainersOutliveTheDaemon(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("kept")
	pause := d.pull("pause:1", tiny.Pause("up\n"))
	created := d.create(sb, pause, func(c *runtime.Config) { c.Name = "created" })
	running := d.create(sb, pause, func(c *runtime.Config) { c.Name, c.LogPath = "running", "running.log" })
	killed := d.create(sb, pause, func(c *runtime.Config) { c.Name, c.LogPath = "killed", "killed.log" })
	stopped := d.create(sb, pause, func(c *runtime.Config) { c.Name, c.LogPath = "stopped", "stopped.log" })
	for _, c := range []runtime.Container{running, killed, stopped} {
		d.must(d.containers.Start(t.Context(), c.ID))
		d.logged(c, "up")
	}
	d.close()
	d.must(syscall.Kill(killed.Pid, syscall.SIGKILL))
	d.must(syscall.Kill(stopped.Pid, syscall.SIGTERM))
	d.must(gone(killed.Pid, stopped.Pid))
	d.open()

	if c, err := d.containers.Get(running.ID); err != nil || c.State != runtime.StateRunning || c.Pid != running.Pid {
		t.Errorf("running: %+v, %v", c, err)
	}
	if c := d.ended(killed.ID); c.ExitCode != 137 || c.Reason != runtime.ReasonError {
		t.Errorf("killed: %+v", c)
	}
	if c := d.ended(stopped.ID); c.ExitCode != 143 {
		t.Errorf("stopped: %+v", c)
	}
	if c, err := d.containers.Get(created.ID); err != nil || c.State != runtime.StateCreated {
		t.Errorf("created: %+v, %v", c, err)
	}
	d.must(d.containers.Start(t.Context(), created.ID))
	d.until(created.ID, func(c runtime.Container) bool { return c.State == runtime.StateRunning })
	d.must(d.containers.Stop(t.Context(), running.ID, time.Minute))
	if c := d.ended(running.ID); c.ExitCode != 143 {
		t.Errorf("running, then stopped: %+v", c)
	}
}

func TestLostRecordsEndWhatTheyStoodFor(t *testing.T) {
	for _, kind := range []string{"containers", "sandboxes"} {
		t.Run(kind, func(t *testing.T) {
			d := newDaemon(t)
			c := d.create(d.pod("lost"), d.pull("pause:1", tiny.Pause("up\n")), nil)
			d.must(d.containers.Start(t.Context(), c.ID))
			d.logged(c, "up")
			d.close()
			records, err := filepath.Glob(filepath.Join(d.root, "records", kind, "*.json"))
			d.must(err)
			for _, path := range records {
				d.must(os.WriteFile(path, []byte("torn"), 0o600))
			}
			d.open()
			d.must(gone(c.Pid))
			if _, err := d.containers.Get(c.ID); !errdefs.IsNotFound(err) {
				t.Errorf("the container is still known: %v", err)
			}
			d.nothingLeft()
		})
	}
}

// gone waits until processes have ended. They are this process's children,
// whose end nobody has collected, so they show as zombies.
func gone(pids ...int) error {
	for _, pid := range pids {
		for {
			raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
			if i := bytes.LastIndexByte(raw, ')'); i > 0 && raw[i+2] == 'Z' {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}
