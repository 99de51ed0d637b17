// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cgroup"
)

const freezer = "/sys/fs/cgroup/freezer"

// TestBirth: a process is born in the group, which can be killed meanwhile: the process
// that has entered with a thread lives on, and is not in the group when the thread ends.
func TestBirth(t *testing.T) {
	group := create(t, tree(t), cgroup.Resources{MemoryLimit: 64 << 20})
	if _, err := os.Stat(freezer); err == nil { // the pod has a group there, as a kubelet makes it, and in no other idle one
		if err := os.MkdirAll(freezer+path.Dir(group.Path()), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	child := make(chan *exec.Cmd, 1)
	aside(func() { inGroup(t, group, child) })
	cmd := <-child
	if cmd == nil {
		return
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the child ended with %v", err)
	}
	if err := group.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

// aside runs f on a thread that ends with it and is not the process's first.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		goruntime.LockOSThread() // never unlocked
		if unix.Gettid() == os.Getpid() {
			aside(f)
			goruntime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// inGroup starts a process in the group and kills the group.
func inGroup(t *testing.T, group *cgroup.Group, child chan<- *exec.Cmd) {
	defer close(child)
	dir, err := group.Enter()
	if err != nil {
		t.Error(err)
		return
	}
	cmd := exec.Command("/bin/sleep", "60")
	if dir != nil {
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	child <- cmd
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid))
	if err != nil {
		t.Error(err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(list)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		want := group.Path()
		switch name := fields[1]; {
		case strings.HasPrefix(name, "name="): // of controllers that no group of ours has
			continue
		case name == "freezer":
			want = path.Dir(want)
		case slices.Contains([]string{"devices", "net_cls", "net_prio", "net_cls,net_prio", "perf_event"}, name):
			if !strings.Contains(string(own), line) {
				t.Errorf("the child is in %s, its parent in %s", line, own)
			}
			continue
		}
		if fields[2] != want {
			t.Errorf("the child is in %s, want %s", line, want)
		}
	}
	if pids, err := group.Processes(); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("the group has %v, %v", pids, err)
	}
	if err := group.Kill(); err != nil {
		t.Error(err)
	}
}

// TestNoBirthInAPinch: who could not even execute its program is added instead.
func TestNoBirthInAPinch(t *testing.T) {
	group := create(t, tree(t), cgroup.Resources{CPUQuota: 2000, CPUPeriod: 100_000})
	if _, err := group.Enter(); !errdefs.IsNotImplemented(err) {
		t.Errorf("got %v", err)
	}
}

// TestBirthInWhatIsGone is refused and not done elsewhere.
func TestBirthInWhatIsGone(t *testing.T) {
	group := create(t, tree(t), cgroup.Resources{MemoryLimit: 64 << 20})
	if err := group.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := group.Enter(); err == nil {
		t.Error("no error")
	}
}
