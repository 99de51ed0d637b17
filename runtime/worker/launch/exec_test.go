// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

// host returns a started container that runs until the test's end.
func host(t *testing.T) *container {
	t.Helper()
	c := define(t, guestPath, "sleep,10m")
	c.options.Spec.Env = []string{"PATH=/"}
	c.options.Spec.Hostname = "pod-1"
	c.options.Spec.UID, c.options.Spec.GID = 1000, 1000
	c.start()
	return c
}

// noBuiltin is a daemon without programs of its own.
func noBuiltin(context.Context, string) (*os.File, string, error) {
	return nil, "", errdefs.ErrNotFound
}

// command starts a command in the container with its output on a pipe.
func (c *container) command(o launch.ExecOptions, args ...string) (*launch.Command, *os.File, error) {
	c.t.Helper()
	out, stdout, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	defer stdout.Close()
	c.t.Cleanup(func() { out.Close() })
	o.WorkerPath, o.Container = workerPath, c.process
	o.Spec.Args, o.Spec.Env, o.Spec.UID, o.Spec.GID = args, c.options.Spec.Env, 1000, 1000
	if o.Stdout == nil {
		o.Stdout, o.Stderr = stdout, stdout
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	command, err := launch.Exec(ctx, o, compileCached(c.t), noBuiltin)
	if err == nil {
		c.t.Cleanup(func() {
			if err := command.Kill(context.Background()); err != nil {
				c.t.Error(err)
			}
			command.Release()
		})
	}
	return command, out, err
}

// ran runs a command to its end and returns its code and output.
func (c *container) ran(args ...string) (int32, string) {
	c.t.Helper()
	command, out, err := c.command(launch.ExecOptions{}, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return awaitCommand(c.t, command), readAll(c.t, out)
}

func awaitCommand(t testing.TB, command *launch.Command) int32 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	status, err := command.Wait(ctx)
	if err != nil || !status.Known {
		t.Fatalf("status %+v, %v", status, err)
	}
	return status.Code
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCommandRunsInTheContainer(t *testing.T) {
	c := host(t)
	if code, _ := c.ran("guest.wasm", "write,/dev/shm/f,hello"); code != 0 {
		t.Fatalf("code %d", code)
	}
	code, out := c.ran("/guest.wasm", "cat,/dev/shm/f", "args", "env,PATH", "stdin", "exit,3")
	want := "cat,/dev/shm/f: hello\nargs: /guest.wasm cat,/dev/shm/f args env,PATH stdin exit,3\nenv,PATH: /\nstdin: \n"
	if code != 3 || out != want {
		t.Errorf("code %d, output %q, want %q", code, out, want)
	}
}

// TestCommandIsBornInTheContainersNamespaces compares what the kernel says of
// the two processes.
func TestCommandIsBornInTheContainersNamespaces(t *testing.T) {
	c := host(t)
	command, _, err := c.command(launch.ExecOptions{OOMScoreAdj: 1000}, "guest.wasm", "sleep,10m")
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range []string{"mnt", "pid", "ipc", "uts", "net"} {
		if theirs, ours := link(t, c.process.Pid, "ns/"+ns), link(t, command.Pid, "ns/"+ns); theirs != ours {
			t.Errorf("namespace %s: %s, the container's is %s", ns, ours, theirs)
		}
	}
	// The root and working directory of the guest's threads: nothing of the host.
	for _, dir := range []string{"root", "cwd"} {
		if at := link(t, command.Pid, dir); at != "/" {
			t.Errorf("%s is %s", dir, at)
		}
	}
	for field, want := range map[string]string{
		"Uid": "1000 1000 1000 1000", "Gid": "1000 1000 1000 1000", "NoNewPrivs": "1", "Seccomp": "2",
		"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "CapInh": "0000000000000000",
	} {
		for _, value := range statusOf(t, command.Pid, field) {
			if value != want {
				t.Errorf("%s: %q, want %q", field, value, want)
			}
		}
	}
	score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", command.Pid))
	if err != nil || strings.TrimSpace(string(score)) != "1000" {
		t.Errorf("OOM score %q, %v", score, err)
	}
}

func link(t *testing.T, pid int, name string) string {
	t.Helper()
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestCommandThatIsNotThere(t *testing.T) {
	c := host(t)
	_, _, err := c.command(launch.ExecOptions{}, "nothing")
	if !errdefs.IsNotFound(err) || !strings.Contains(err.Error(), "nothing: not found in PATH (/)") {
		t.Errorf("got %v", err)
	}
	_, _, err = c.command(launch.ExecOptions{}, "/etc")
	if err == nil || errdefs.IsNotFound(err) && !strings.Contains(err.Error(), "/etc") {
		t.Errorf("a directory: %v", err)
	}
}

// TestBuiltinServesWhatTheRootHasNot plays a daemon with one program.
func TestBuiltinServesWhatTheRootHasNot(t *testing.T) {
	c := host(t)
	module := open(t, moduleFile(t, enginetest.Print(1, "builtin\n")))
	builtin := func(ctx context.Context, name string) (*os.File, string, error) {
		if name != "sh" {
			return nil, "", errdefs.ErrNotFound
		}
		return compileCached(t)(ctx, module)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	command, err := launch.Exec(t.Context(), launch.ExecOptions{
		WorkerPath: workerPath, Container: c.process, Stdout: stdout, Spec: spec.Exec{Args: []string{"sh"}},
	}, compileCached(t), builtin)
	stdout.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer command.Release()
	if code, text := awaitCommand(t, command), readAll(t, out); code != 0 || text != "builtin\n" {
		t.Errorf("code %d, output %q", code, text)
	}
}

func TestCommandsTrapIsTold(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Spin("up\n")))
	trap := moduleFile(t, enginetest.Trap())
	c.options.Spec.Mounts = []spec.Mount{{Type: spec.MountBind, Source: trap, Destination: "/trap.wasm"}}
	c.start()
	c.awaitLog()
	code, out := c.ran("/trap.wasm")
	if code != 134 || !strings.HasPrefix(out, "wasm trap: unreachable\n") {
		t.Errorf("code %d, output %q", code, out)
	}
}

// TestCommandEndsWithItsContainer relies on nobody but the kernel.
func TestCommandEndsWithItsContainer(t *testing.T) {
	c := host(t)
	command, out, err := c.command(launch.ExecOptions{}, "guest.wasm", "sleep,10m")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := awaitCommand(t, command); code != 137 || readAll(t, out) != "" {
		t.Errorf("code %d", code)
	}
	if _, _, err := c.command(launch.ExecOptions{}, "guest.wasm"); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a command in a container that has ended: %v", err)
	}
}

// TestCommandEndsWithTheDaemon closes what a daemon's death closes, with a guest
// that never makes a host call.
func TestCommandEndsWithTheDaemon(t *testing.T) {
	c := host(t)
	spin := moduleFile(t, enginetest.Spin("up\n"))
	if err := os.Chmod(spin, 0o644); err != nil {
		t.Fatal(err)
	}
	c2 := define(t, guestPath, "sleep,10m")
	c2.options.Spec.Mounts = []spec.Mount{{Type: spec.MountBind, Source: spin, Destination: "/spin.wasm"}}
	c2.start()
	for c, program := range map[*container]string{c: "guest.wasm", c2: "/spin.wasm"} {
		command, out, err := c.command(launch.ExecOptions{}, program, "sleep,10m")
		if err != nil {
			t.Fatal(err)
		}
		if program == "/spin.wasm" {
			if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
		}
		command.Release()
		if code := awaitCommand(t, command); code != 137 {
			t.Errorf("%s: code %d", program, code)
		}
	}
}

func TestCommandOnATerminal(t *testing.T) {
	c := host(t)
	master, slave, err := terminal.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	command, _, err := c.command(launch.ExecOptions{Stdin: slave, Stdout: slave, Stderr: slave, TTY: true},
		"guest.wasm", "terminal", "echo")
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := master.WriteString("hi\n\x04"); err != nil { // Ctrl-D ends the input
		t.Fatal(err)
	}
	code := awaitCommand(t, command)
	text, err := io.ReadAll(master)
	if !errors.Is(err, unix.EIO) { // nobody is on the other side
		t.Fatal(err)
	}
	for _, want := range []string{"terminal: true true true\r\n", "echo ", "and ", "echo: end\r\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("code %d, output %q: no %q", code, text, want)
		}
	}
}

// TestControlCEndsACommand is what the user of a terminal expects.
func TestControlCEndsACommand(t *testing.T) {
	c := host(t)
	master, slave, err := terminal.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	command, _, err := c.command(launch.ExecOptions{Stdin: slave, Stdout: slave, Stderr: slave, TTY: true}, "guest.wasm", "sleep,10m")
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	if code := awaitCommand(t, command); code != 128+int32(unix.SIGINT) {
		t.Errorf("code %d", code)
	}
}

// TestControlCIsTheBuiltinsToHear: a shell's user means the command in front.
func TestControlCIsTheBuiltinsToHear(t *testing.T) {
	c := host(t)
	module := open(t, guestPath)
	builtin := func(ctx context.Context, _ string) (*os.File, string, error) { return compileCached(t)(ctx, module) }
	master, slave, err := terminal.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	command, err := launch.Exec(t.Context(), launch.ExecOptions{
		WorkerPath: workerPath, Container: c.process, Stdin: slave, Stdout: slave, Stderr: slave, TTY: true,
		Spec: spec.Exec{Args: []string{"sh", "env,LISTEN_FDNAMES", "interrupt,4", "exit,5"}},
	}, compileCached(t), builtin)
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer command.Release()
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	code := awaitCommand(t, command)
	text, _ := io.ReadAll(master) // EIO at the end
	if code != 5 || !strings.Contains(string(text), "env,LISTEN_FDNAMES: signals\r\n") || !strings.Contains(string(text), "interrupt,4: 2\r\n") {
		t.Errorf("code %d, output %q", code, text)
	}
}
