// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"

	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// programVariable makes this test program be wazelet.
const programVariable = "WAZELET_TEST_PROGRAM"

// someUser is not root, and has no name.
const someUser = 61234

// The programs that runs need, built once: the worker (the one with an HTTP client
// beside it), a guest of small commands, and one that makes requests.
var workerProgram, guestModule, fetchModule string

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(withPrograms(m))
}

func withPrograms(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wazelet-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	workerProgram, guestModule, fetchModule = filepath.Join(dir, "wazelet-worker"), filepath.Join(dir, "guest.wasm"), filepath.Join(dir, "fetch.wasm")
	err = errors.Join(
		os.Chmod(dir, 0o755), // for users who are not root
		build(workerProgram, "../wazelet-worker"),
		build(launch.HTTPWorker(workerProgram), "../wazelet-worker-http"),
		build(guestModule, "../../runtime/worker/launch/testdata/guest", "GOOS=wasip1", "GOARCH=wasm"),
		build(fetchModule, "../../integration/guests/fetch", "GOOS=wasip1", "GOARCH=wasm"),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	// What a daemon keeps for the next one: its groups, which must be empty.
	groups, err := filepath.Glob("/sys/fs/cgroup/*/" + serveGroup())
	if err == nil {
		groups = append(groups, "/sys/fs/cgroup/"+serveGroup())
	}
	for _, group := range groups {
		err = errors.Join(err, cgroups.RemovePath(group))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "left behind:", err)
		return 1
	}
	return code
}

// serveGroup is the cgroup of the daemons of these tests.
func serveGroup() string { return fmt.Sprintf("wazelet-test-serve-%d", os.Getpid()) }

func build(out, source string, env ...string) error {
	cmd := exec.Command("go", "build", "-p", "1", "-trimpath", "-ldflags=-s -w", "-o", out, source)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, text)
	}
	return nil
}

// user is somebody who runs wazelet, with a home of their own.
type user struct {
	uid    int
	home   string
	config string
}

// newUser makes a user with an empty store. The directory is not in t.TempDir,
// which only root can reach.
func newUser(t *testing.T, uid int) user {
	t.Helper()
	home, err := os.MkdirTemp(filepath.Dir(workerProgram), "home")
	if err != nil {
		t.Fatal(err)
	}
	u := user{uid: uid, home: home, config: filepath.Join(home, "config.toml")}
	text := fmt.Sprintf("version = 1\n[worker]\npath = %q\n", workerProgram)
	if err := errors.Join(os.WriteFile(u.config, []byte(text), 0o644), os.Chmod(home, 0o755), os.Chown(home, uid, uid)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return u
}

// each runs a test as root and as a user who is not.
func each(t *testing.T, test func(t *testing.T, u user)) {
	for name, uid := range map[string]int{"root": 0, "rootless": someUser} {
		t.Run(name, func(t *testing.T) { test(t, newUser(t, uid)) })
	}
}

// command is wazelet as a process of this user's.
func (u user) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Dir = u.home
	cmd.Env = []string{programVariable + "=1", "HOME=" + u.home, "PATH=" + os.Getenv("PATH"), "OWN=own value"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.uid)}}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs `wazelet run` to its end, with this standard input.
func (u user) run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := u.command(ctx, append([]string{"run", "--config", u.config}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// running is a run whose guest has printed its first line.
type running struct {
	cmd    *exec.Cmd
	stdout io.Reader
	stderr *bytes.Buffer // to be read after the end
}

// begin starts `wazelet run` and waits until the guest has printed this.
func (u user) begin(t *testing.T, first string, args ...string) running {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := u.command(ctx, append([]string{"run", "--config", u.config}, args...)...)
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(first))
	if _, err := io.ReadFull(stdout, got); err != nil || string(got) != first {
		err = errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		t.Fatalf("the guest begins with %q (%v), want %q; standard error:\n%s", got, err, first, stderr)
	}
	return running{cmd, stdout, stderr}
}

// end waits for the run and gives its exit code.
func (r running) end(t *testing.T) int {
	t.Helper()
	if err := r.cmd.Wait(); err != nil && r.cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

// worker is the process id of the run's worker: the youngest of its descendants.
func (r running) worker(t *testing.T) int {
	t.Helper()
	pid := r.cmd.Process.Pid
	for {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		if err != nil {
			t.Fatal(err)
		}
		var children []string
		for _, task := range tasks {
			content, err := os.ReadFile(task)
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, strings.Fields(string(content))...)
		}
		if len(children) == 0 {
			return pid
		}
		if pid, err = strconv.Atoi(children[len(children)-1]); err != nil {
			t.Fatal(err)
		}
	}
}

// store is a directory of the user's store.
func (u user) store(names ...string) string {
	return filepath.Join(append([]string{u.home, ".local", "share", "wazelet"}, names...)...)
}

// write makes a file in the user's home and gives its path.
func (u user) write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(u.home, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
