// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// spinning starts a container whose guest computes for ever.
func spinning(t *testing.T, change func(*container)) *container {
	t.Helper()
	c := define(t, moduleFile(t, enginetest.Spin("spinning\n")))
	if change != nil {
		change(c)
	}
	c.start()
	c.awaitLog()
	return c
}

// statusOf returns one field of each thread's status (proc_pid_status(5)).
func statusOf(t testing.TB, pid int, field string) []string {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("threads of %d: %q, %v", pid, tasks, err)
	}
	var values []string
	for _, name := range tasks {
		raw, err := os.ReadFile(name)
		if errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrNotExist) {
			continue // a thread may end meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			if value, ok := strings.CutPrefix(line, field+":"); ok {
				values = append(values, strings.Join(strings.Fields(value), " "))
			}
		}
	}
	return values
}

// TestEveryThreadIsConfined reads what the kernel holds for each thread while
// the guest runs.
func TestEveryThreadIsConfined(t *testing.T) {
	c := spinning(t, func(c *container) {
		c.options.Spec.UID, c.options.Spec.GID, c.options.Spec.Groups = 1000, 2000, []uint32{3000, 4000}
	})
	for field, want := range map[string]string{
		"Uid": "1000 1000 1000 1000", "Gid": "2000 2000 2000 2000", "Groups": "3000 4000",
		"CapInh": zeroCaps, "CapPrm": zeroCaps, "CapEff": zeroCaps, "CapBnd": zeroCaps, "CapAmb": zeroCaps,
		"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "2",
	} {
		for _, got := range statusOf(t, c.process.Pid, field) {
			if got != want {
				t.Errorf("%s of a thread: %q, want %q", field, got, want)
			}
		}
	}
}

const zeroCaps = "0000000000000000"

func TestRootInTheContainerHasNoCapabilities(t *testing.T) {
	c := spinning(t, nil)
	for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		for _, got := range statusOf(t, c.process.Pid, field) {
			if got != zeroCaps {
				t.Errorf("%s of a thread: %s", field, got)
			}
		}
	}
}

func TestGuestHasItsUsersRights(t *testing.T) {
	dir := files(t, map[string]string{"secret": "hidden", "mine/": ""})
	if err := errors.Join(
		os.Chmod(filepath.Join(dir, "secret"), 0o600),
		os.Chown(filepath.Join(dir, "mine"), 1000, 2000),
	); err != nil {
		t.Fatal(err)
	}
	c := define(t, guestPath, "cat,/data/secret", "write,/data/mine/x,y", "write,/data/x,y")
	c.mount(bind(dir, "/data"))
	c.options.Spec.UID, c.options.Spec.GID = 1000, 2000
	c.output("cat,/data/secret: open /data/secret: Permission denied", "write,/data/mine/x,y: ok",
		"write,/data/x,y: open /data/x: Permission denied")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "mine/x"), &st); err != nil || st.Uid != 1000 || st.Gid != 2000 {
		t.Errorf("a file of the guest's: uid %d, gid %d, %v", st.Uid, st.Gid, err)
	}
}

// TestProgramMustBeReadableToTheUser: the module is opened with the
// container's rights, not the worker's.
func TestProgramMustBeReadableToTheUser(t *testing.T) {
	wasm, err := os.ReadFile(guestPath)
	if err != nil {
		t.Fatal(err)
	}
	lower := files(t, map[string]string{"guest.wasm": string(wasm)})
	if err := os.Chmod(filepath.Join(lower, "guest.wasm"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := define(t, guestPath)
	c.options.Spec.Module, c.options.Module = nil, nil
	c.options.Spec.UID, c.options.Spec.GID = 1000, 1000
	c.overlay(lower)
	if err := c.launch(t.Context()); err == nil || !strings.Contains(err.Error(), "/guest.wasm: permission denied") {
		t.Errorf("got %v", err)
	}
}

// TestNothingLeaksIntoTheWorker opens files that a careless parent would pass
// on, and lists what the worker holds.
func TestNothingLeaksIntoTheWorker(t *testing.T) {
	leak, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0) // without O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	c := spinning(t, nil)
	var held []string
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", c.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		name, err := os.Readlink(link)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, name)
	}
	for _, want := range []string{"/dev/null", c.path("exit"), c.path("log")} {
		held = slices.DeleteFunc(held, func(name string) bool { return name == want })
	}
	// What is left belongs to the worker itself: the control socket, the
	// poller and its event, the guest's wake-up and root, the image of its memory.
	var sockets, others []string
	for _, name := range held {
		switch {
		case strings.HasPrefix(name, "socket:"):
			sockets = append(sockets, name)
		case name == "/" || name == "/memory" || strings.HasPrefix(name, "anon_inode:"):
		default:
			others = append(others, name)
		}
	}
	if len(others) != 0 || len(sockets) != 1 {
		t.Errorf("sockets %q, others %q", sockets, others)
	}
}

func TestEnvironmentOfTheDaemonStaysOutside(t *testing.T) {
	t.Setenv("SECRET", "of the daemon")
	c := spinning(t, nil)
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.process.Pid))
	if err != nil || strings.Contains(string(environ), "SECRET") {
		t.Errorf("environment %q, %v", environ, err)
	}
}

// TestNamespaces: mount, pid, ipc and UTS are the worker's own, the network is
// the pod's.
func TestNamespaces(t *testing.T) {
	pod := newNetNS(t)
	c := spinning(t, func(c *container) {
		c.options.NetNS = pod
		c.options.Spec.Hostname = "my-pod"
	})
	for _, name := range []string{"mnt", "pid", "ipc", "uts", "net"} {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", c.process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if theirs == ours {
			t.Errorf("the worker shares the daemon's %s namespace", name)
		}
	}
	var want, got unix.Stat_t
	if err := errors.Join(unix.Stat(pod, &want), unix.Stat(fmt.Sprintf("/proc/%d/ns/net", c.process.Pid), &got)); err != nil {
		t.Fatal(err)
	}
	if want.Ino != got.Ino {
		t.Errorf("the worker is in network namespace %d, the pod in %d", got.Ino, want.Ino)
	}
	if name := hostname(t, c.process.Pid); name != "my-pod" {
		t.Errorf("hostname %q", name)
	}
}

// newNetNS makes a network namespace and returns a path to it.
func newNetNS(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netns")
	create(t, path, 0)
	onOwnThread(t, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		return unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), path, "", unix.MS_BIND, "")
	})
	t.Cleanup(func() {
		if err := unix.Unmount(path, 0); err != nil {
			t.Error(err)
		}
	})
	return path
}

func hostname(t *testing.T, pid int) string {
	t.Helper()
	ns := open(t, fmt.Sprintf("/proc/%d/ns/uts", pid))
	var name string
	onOwnThread(t, func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWUTS); err != nil {
			return err
		}
		var uts unix.Utsname
		err := unix.Uname(&uts)
		name = unix.ByteSliceToString(uts.Nodename[:])
		return err
	})
	return name
}

// onOwnThread runs fn on a thread that is thrown away. It is not the process's first,
// which would stay, and is what /proc/self shows.
func onOwnThread(t *testing.T, fn func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		goruntime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			held := make(chan error)
			go func() { goruntime.LockOSThread(); held <- fn() }()
			err := <-held
			goruntime.UnlockOSThread()
			done <- err
			return
		}
		done <- fn()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestOOMScore(t *testing.T) {
	for score, want := range map[int]string{500: "500", 0: "0"} {
		c := spinning(t, func(c *container) { c.options.Spec.OOMScoreAdj = score })
		got, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", c.process.Pid))
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("score %d: %q, %v", score, got, err)
		}
	}
}

func TestMemoryGrowthCap(t *testing.T) {
	module := moduleFile(t, enginetest.Grow(100))
	for pages, want := range map[uint32]int32{0: 0, 101: 0, 100: 1} {
		c := define(t, module)
		c.options.Spec.MemoryMaxPages = pages
		if exit, _ := c.run(); exit.Code != want {
			t.Errorf("cap of %d pages: exit %+v, want code %d", pages, exit, want)
		}
	}
}

// TestForeground runs a guest on the caller's own stdio.
func TestForegroundHasNoLog(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Exit(7)))
	c.options.Spec.Foreground, c.options.Log = true, nil
	c.start()
	if exit := c.wait(); exit.Code != 7 {
		t.Errorf("exit %+v", exit)
	}
}

// TestPodFilesystemIsGone: when the worker has ended, none of its mounts are
// left anywhere.
func TestMountsEndWithTheWorker(t *testing.T) {
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	c := define(t, guestPath, "ls,/")
	c.overlay(files(t, map[string]string{"x": ""}))
	c.mount(bind(t.TempDir(), "/data"))
	c.mount(spec.Mount{Type: spec.MountTmpfs, Destination: "/tmp"})
	c.run()
	after, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || string(before) != string(after) {
		t.Errorf("mounts before:\n%s\nafter, %v:\n%s", before, err, after)
	}
}
