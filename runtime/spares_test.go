// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// waiting is the worker that was started with a sandbox: the only process in a cgroup
// below the sandbox's, but for this one, a thread of which starts it there. It comes beside
// the sandbox, so it is polled for.
func (d *daemon) waiting(sb sandbox.Sandbox) (id string, pid int) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		for _, file := range d.procs(sb.ID) {
			raw, err := os.ReadFile(file)
			if pid, parsed := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && parsed == nil && pid != os.Getpid() {
				return filepath.Base(filepath.Dir(file)), pid
			}
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("no worker waits in sandbox %s", sb.ID)
		}
	}
}

// procs are the lists of processes of the groups below a sandbox's, of one hierarchy.
func (d *daemon) procs(sandboxID string) []string {
	d.t.Helper()
	for _, base := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/pids"} {
		files, err := filepath.Glob(filepath.Join(base, d.parent, sandboxID, "*", "cgroup.procs"))
		d.must(err)
		if len(files) > 0 {
			return files
		}
	}
	return nil
}

func TestAPodsFirstContainerHasAWorkerAlready(t *testing.T) {
	for name, edit := range map[string]func(*runtime.Config){
		"plain":    nil,
		"terminal": func(c *runtime.Config) { c.Stdin, c.TTY = true, true },
		"limited": func(c *runtime.Config) {
			c.Resources = cgroup.Resources{MemoryLimit: 64 << 20, CPUQuota: 5_000, CPUPeriod: 100_000}
		},
		"a user of its own": func(c *runtime.Config) {
			c.User = runtime.User{UID: new(int64(1000)), GID: new(int64(1000)), Groups: []int64{7, 5}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t)
			img := d.pull("print:1", tiny.Print("up\n", "", 3))
			sb := d.pod("first")
			id, pid := d.waiting(sb)
			c := d.create(sb, img, edit)
			if c.ID != id || c.Pid != pid {
				t.Errorf("the container is %s with worker %d, not %s with %d", c.ID, c.Pid, id, pid)
			}
			second := d.create(sb, img, func(c *runtime.Config) { c.Name = "second" })
			if second.Pid == pid || second.ID == id {
				t.Errorf("both containers are %s with worker %d", second.ID, second.Pid)
			}
			for _, c := range []runtime.Container{c, second} {
				d.must(d.containers.Start(t.Context(), c.ID))
				if c = d.ended(c.ID); c.ExitCode != 3 {
					t.Errorf("after its end: %+v", c)
				}
				d.logged(c, "up")
			}
		})
	}
}

// TestItsLimitsHold although the worker was there before them.
func TestItsLimitsHold(t *testing.T) {
	d := newDaemon(t)
	img := d.pull("greedy:1", tiny.Hog())
	sb := d.pod("greedy")
	d.waiting(sb)
	c := d.create(sb, img, func(c *runtime.Config) { c.Resources.MemoryLimit = 32 << 20 })
	d.must(d.containers.Start(t.Context(), c.ID))
	if c = d.ended(c.ID); c.Reason != runtime.ReasonOOMKilled {
		t.Errorf("after its end: %+v", c)
	}
}

func TestAWorkerThatIsGoneIsReplaced(t *testing.T) {
	d := newDaemon(t)
	img := d.pull("print:1", tiny.Print("", "", 3))
	sb := d.pod("gone")
	_, pid := d.waiting(sb)
	d.must(unix.Kill(pid, unix.SIGKILL))
	c := d.create(sb, img, nil)
	d.must(d.containers.Start(t.Context(), c.ID))
	if c = d.ended(c.ID); c.ExitCode != 3 || c.Pid == pid {
		t.Errorf("after its end: %+v", c)
	}
}

// TestAWorkerThatNobodyNeedsGoes with its pod, with its daemon, and with a container that
// needs another.
func TestAWorkerThatNobodyNeedsGoes(t *testing.T) {
	for name, end := range map[string]func(*daemon, sandbox.Sandbox) error{
		"stop": func(d *daemon, sb sandbox.Sandbox) error {
			return d.containers.StopSandbox(context.Background(), sb.ID)
		},
		"remove": func(d *daemon, sb sandbox.Sandbox) error {
			return d.containers.RemoveSandbox(context.Background(), sb.ID)
		},
		"daemon": func(d *daemon, sb sandbox.Sandbox) error {
			d.close()
			d.open()
			return nil
		},
		"a container that needs another": func(d *daemon, sb sandbox.Sandbox) error {
			img := d.pull("pause:1", tiny.Pause(""))
			c := d.create(sb, img, func(c *runtime.Config) { c.Resources.MemoryLimit = 4 << 20 })
			return d.containers.Remove(context.Background(), c.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t)
			sb := d.pod("empty")
			_, pid := d.waiting(sb)
			d.must(end(d, sb))
			if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
				t.Errorf("worker %d: %v", pid, err)
			}
			d.nothingLeft()
		})
	}
}

// TestASandboxThatFailsLeavesNoWorker has a network plugin that is not there.
func TestASandboxThatFailsLeavesNoWorker(t *testing.T) {
	d := newDaemon(t)
	d.must(os.WriteFile(filepath.Join(d.root, "10-absent.conflist"),
		[]byte(`{"cniVersion": "1.0.0", "name": "absent", "plugins": [{"type": "absent"}]}`), 0o600))
	_, err := d.sandboxes.Create(t.Context(), sandbox.Config{
		Metadata: sandbox.Metadata{Name: "fails", Namespace: "default", UID: "uid"}, Network: sandbox.NetworkPod,
	})
	if err == nil || !strings.Contains(err.Error(), "absent") {
		t.Fatalf("got %v", err)
	}
	d.nothingLeft()
	if groups, _ := filepath.Glob("/sys/fs/cgroup/*" + d.parent + "/*"); len(groups) > 0 {
		t.Errorf("cgroups left: %v", fmt.Sprint(groups))
	}
}
