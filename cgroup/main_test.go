// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wazelet/wazelet/cgroup"
)

// roleEnv makes the test binary a process to put into a group.
const roleEnv = "WAZELET_CGROUP_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleEnv); role {
	case "":
	case "unshare", "mount":
		enterUnified(role)
	default:
		play(role)
	}
	options := []goleak.Option{goleak.Cleanup(func(code int) {
		left, _ := filepath.Glob("/sys/fs/cgroup/*" + root() + "*")
		if len(left) > 0 {
			fmt.Fprintf(os.Stderr, "cgroups left: %v\n", left)
			code = max(code, 1)
		}
		os.Exit(code)
	})}
	// The library keeps one connection to systemd for the whole process.
	for _, f := range []string{
		"github.com/godbus/dbus/v5.newConn.func1", "github.com/godbus/dbus/v5.(*Conn).inWorker",
		"github.com/coreos/go-systemd/v22/dbus.(*Conn).dispatch.func1",
	} {
		options = append(options, goleak.IgnoreAnyFunction(f))
	}
	goleak.VerifyTestMain(m, options...)
}

// root is this test run's own part of the hierarchies.
func root() string { return fmt.Sprintf("/wazelet-test-%d", os.Getpid()) }

// play says when it is there, waits to be let go, does its part and says so.
func play(role string) {
	if role == "stay" { // only a signal ends it
		time.Sleep(time.Hour)
	}
	in := bufio.NewReader(os.Stdin)
	fmt.Println("there")
	if _, err := in.ReadString('\n'); err != nil {
		os.Exit(1)
	}
	switch role {
	case "burn": // CPU and a little memory
		touch(16 << 20)
		for start := time.Now(); time.Since(start) < 200*time.Millisecond; {
		}
	case "hog": // more memory than any test allows
		touch(512 << 20)
	case "breed":
		for range 3 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleEnv+"=stay")
			if err := cmd.Start(); err != nil {
				panic(err)
			}
		}
	}
	fmt.Println("done")
	_, _ = in.ReadString('\n')
	os.Exit(0)
}

var touched []byte // kept until the end

func touch(bytes int) {
	touched = make([]byte, bytes)
	for i := 0; i < len(touched); i += 4096 {
		touched[i] = 1
	}
}

// actor is a process in its role.
type actor struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *os.File
	out *bufio.Scanner
}

func start(t *testing.T, role string) *actor {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdin, cmd.Stderr = r, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &actor{t: t, cmd: cmd, in: w, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		w.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	a.expect("there")
	return a
}

func (a *actor) expect(word string) {
	a.t.Helper()
	if !a.out.Scan() || a.out.Text() != word {
		a.t.Fatalf("the process says %q, %v; want %q", a.out.Text(), a.out.Err(), word)
	}
}

// act lets it do its part.
func (a *actor) act() {
	a.t.Helper()
	if _, err := a.in.WriteString("\n"); err != nil {
		a.t.Fatal(err)
	}
}

// end waits for its end and says how it came.
func (a *actor) end() string {
	_ = a.cmd.Wait()
	return a.cmd.ProcessState.String()
}

func tree(t testing.TB) *cgroup.Tree {
	t.Helper()
	tr, err := cgroup.Open(cgroup.Cgroupfs, root())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeRoot(t) })
	return tr
}

// removeRoot removes the test's root, which must be empty: that is the leak check.
func removeRoot(t testing.TB) {
	t.Helper()
	for _, dir := range hierarchies(t, root()) {
		if err := os.Remove(dir); err != nil {
			t.Errorf("a test left something: %v", err)
		}
	}
}

// hierarchies lists the directories of a group that exist.
func hierarchies(t testing.TB, path string) []string {
	t.Helper()
	var dirs []string
	for _, pattern := range []string{"/sys/fs/cgroup/*" + path, "/sys/fs/cgroup" + path} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, found...)
	}
	return dirs
}

// file reads a file of a group from whichever hierarchy has it.
func file(t *testing.T, g *cgroup.Group, name string) string {
	t.Helper()
	for _, dir := range hierarchies(t, g.Path()) {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return strings.TrimSpace(string(data))
		}
	}
	t.Errorf("%s: no file %s", g.Path(), name)
	return ""
}

func expect(t *testing.T, g *cgroup.Group, files map[string]string) {
	t.Helper()
	for name, want := range files {
		if got := file(t, g, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// unified says whether this host, or this part of it, has cgroup v2 alone.
func unified() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}

// create makes a container's group that is taken down with the test.
func create(t testing.TB, tr *cgroup.Tree, r cgroup.Resources) *cgroup.Group {
	t.Helper()
	g, err := tr.Create(tr.PodParent("pod"), "c0", r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Kill(), g.Remove(context.Background()), tr.RemovePodParent("pod")); err != nil {
			t.Error(err)
		}
	})
	return g
}
