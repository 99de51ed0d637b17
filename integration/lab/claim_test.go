// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/config"
)

// newBare returns a laboratory with nothing but its namespaces, cgroups and
// configuration.
func newBare(t *testing.T) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lab-test-")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Down(context.Background()), c.RemoveScratch()); err != nil {
			t.Error(err)
		}
	})
	if err := c.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDownEndsEverything: a process that left its parent, a listener, a mount.
func TestDownEndsEverything(t *testing.T) {
	c := newBare(t)
	before, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Command(t.Context(), "sh", "-c", `mkdir m && mount -t tmpfs none m
		setsid sleep 1000 >/dev/null 2>&1 &
		until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done
		echo $!`)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(out.Stdout)
	after, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	leaks := strings.Join(before.Diff(after), "\n")
	if !strings.Contains(leaks, "mount: "+c.path("m")) || !strings.Contains(leaks, pid+" sleep 1000") {
		t.Errorf("snapshots differ by %q", leaks)
	}
	if err := c.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Ended; whether init has already reaped it is init's affair.
	if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("the process survives: %s", stat)
	}
	if left, err := c.cgroups.list(); err != nil || len(left) > 0 {
		t.Errorf("cgroups %v, %v", left, err)
	}
	if _, err := os.Stat(claimDir(c.name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the claim is left: %v", err)
	}
}

// TestMembersLeavesOutItself: the threads that this process sends into the cgroup
// make it a member for a moment.
func TestMembersLeavesOutItself(t *testing.T) {
	c := newBare(t)
	err := onThread(func() error {
		if err := errors.Join(c.cgroups.joinThread(), c.namespaces.enter()); err != nil {
			return err
		}
		pids, err := members(c.cgroups, c.namespaces)
		if len(pids) > 0 {
			t.Errorf("members are %v, this is %d", pids, os.Getpid())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSweep: a laboratory whose owner is gone is taken down, one that lives is not.
func TestSweep(t *testing.T) {
	dead, alive := newBare(t), newBare(t)
	cmd := exec.Command("sleep", "1000")
	if err := dead.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := dead.claim.Close(); err != nil { // as the kernel does when a process ends
		t.Fatal(err)
	}
	dead.claim = nil
	if err := Sweep(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("sleep ended with %v", err)
	}
	if _, err := os.Stat(claimDir(dead.name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead laboratory is left: %v", err)
	}
	if _, err := alive.Command(t.Context(), "true"); err != nil {
		t.Errorf("the living laboratory is gone: %v", err)
	}
}

// TestNetwork: two laboratories use one address each for themselves, and Forward
// reaches the right one from outside.
func TestNetwork(t *testing.T) {
	one, two := newBare(t), newBare(t)
	for _, c := range []*Cluster{one, two} {
		var listener net.Listener
		err := onThread(func() (err error) {
			if err := c.namespaces.enter(); err != nil {
				return err
			}
			listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", nodeIP+":80")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				conn.Write([]byte(c.name))
				conn.Close()
			}
		}()
	}
	for _, c := range []*Cluster{one, two} {
		address, err := c.Forward(t.Context(), nodeIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, len(c.name))
		if _, err := conn.Read(answer); err != nil || string(answer) != c.name {
			t.Errorf("%s answered %q, %v", c.name, answer, err)
		}
		conn.Close()
	}
}

func TestCommand(t *testing.T) {
	c := newBare(t)
	out, err := c.CommandInput(t.Context(), strings.NewReader("in"), "sh", "-c", "cat; echo no >&2; exit 3")
	if out.Stdout != "in" || out.Code != 3 || err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("got %+v, %v", out, err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("enough"))
	defer cancel()
	if _, err := c.Command(ctx, "sleep", "1000"); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("a command beyond its time gave %v", err)
	}
}

// TestOwnSys: /sys shows the interfaces of the laboratory and the machine's cgroups.
func TestOwnSys(t *testing.T) {
	c := newBare(t)
	out, err := c.Command(t.Context(), "sh", "-c", "ls /sys/class/net; ls -d "+c.cgroups.daemons())
	if err != nil || strings.Join(strings.Fields(out.Stdout), " ") != "lo node0 "+c.cgroups.daemons() {
		t.Errorf("found %q, %v", out.Stdout, err)
	}
}

// TestWhileRunning: who waits for a daemon that ends learns why at once.
func TestWhileRunning(t *testing.T) {
	c := newBare(t)
	if err := c.startDaemon("brief", "/bin/sh", "-c", "echo last words; exit 3"); err != nil {
		t.Fatal(err)
	}
	never := func(context.Context) error { return errors.New("not yet") }
	err := c.until(t.Context(), "nothing", never, "brief")
	if err == nil || !strings.Contains(err.Error(), "brief ended: exit status 3\nlast words") {
		t.Errorf("waiting ended with %v", err)
	}
}

// TestTunables: the kubelet finds the kernel settings it wants, and the machine's
// own stay as they are.
func TestTunables(t *testing.T) {
	own := map[string]string{}
	for file := range tunables {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		own[file] = string(content)
	}
	c := newBare(t)
	for file, want := range tunables {
		out, err := c.Command(t.Context(), "cat", file)
		if err != nil || strings.TrimSpace(out.Stdout) != want {
			t.Errorf("%s is %q inside, want %s (%v)", file, out.Stdout, want, err)
		}
		if content, err := os.ReadFile(file); err != nil || string(content) != own[file] {
			t.Errorf("%s of the machine is %q, was %q (%v)", file, content, own[file], err)
		}
	}
}

// TestWazeletConfig: the configuration that wazelet gets is one it accepts.
func TestWazeletConfig(t *testing.T) {
	c := newBare(t)
	read, err := config.Load(c.path("wazelet.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if read.GRPC.Address != c.Socket() || read.Root != c.Root() || read.State != c.State() {
		t.Errorf("read back %+v", read)
	}
}
