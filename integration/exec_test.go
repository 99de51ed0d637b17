// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

// sleeper is the spec of a pod that does nothing, with programs to run beside it.
const sleeper = `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [pause]
  env: [{name: GREETING, value: hello}]
  workingDir: /tmp
terminationGracePeriodSeconds: 1
`

// protocols are the two that kubectl speaks to run commands.
var protocols = map[string][]string{
	"WebSocket": nil,
	"SPDY":      {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false"},
}

// session is a kubectl that runs.
type session struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer // to be read once it has ended
}

// session starts kubectl with the words before and after the namespace.
func (s *space) session(settings []string, words ...string) *session {
	s.t.Helper()
	args := append(append([]string{}, settings...), filepath.Join(cluster.PartsDir(), "kubectl"), "--namespace", s.name)
	n := &session{t: s.t, cmd: exec.CommandContext(s.ctx, "env", append(args, words...)...)}
	n.cmd.Stderr = &n.stderr
	var err error
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	n.stdout = bufio.NewReader(stdout)
	if err := cluster.Start(n.cmd); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = n.cmd.Process.Signal(unix.SIGTERM) // it has mostly ended
		_ = n.cmd.Wait()
	})
	return n
}

func (n *session) types(text string) {
	n.t.Helper()
	if _, err := io.WriteString(n.stdin, text); err != nil {
		n.t.Fatal(err)
	}
}

// sees reads the next line.
func (n *session) sees(want string) {
	n.t.Helper()
	line, err := n.stdout.ReadString('\n')
	if err != nil || line != want+"\n" {
		_ = n.cmd.Wait()
		n.t.Fatalf("sees %q, %v, want %q; %s", line, err, want, &n.stderr)
	}
}

// ends reads what else there is and returns it with the exit code.
func (n *session) ends() (string, int) {
	n.t.Helper()
	rest, err := io.ReadAll(n.stdout)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = n.cmd.Wait() // the code tells
	return string(rest), n.cmd.ProcessState.ExitCode()
}

// TestExec runs commands in a running pod over both protocols: their output,
// input and exit codes are kubectl's.
func TestExec(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("p", sleeper)
	s.wait("p", lab.Ready)
	for name, settings := range protocols {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct {
				command string
				code    int
				stdout  string
				stderr  []string
			}{
				{"/probe.wasm env GREETING", 0, "hello\n", nil},
				{"/probe.wasm pwd", 0, "/tmp\n", nil},
				{"/probe.wasm then out one -- err two -- exit 7", 7, "one\n", []string{"two\n", "exit code 7"}},
				{"/probe.wasm flood 5000 100", 0, "", nil},
				{"nothing", 127, "", []string{"exec: nothing: not found in PATH", "exit code 127"}},
				{"/etc/hostname", 126, "", []string{"exec: /etc/hostname: ", "exit code 126"}},
			} {
				words := append([]string{"exec", "p", "--"}, strings.Fields(tt.command)...)
				n := s.session(settings, words...)
				stdout, code := n.ends()
				if lines := strings.Count(stdout, "\n"); tt.command == "/probe.wasm flood 5000 100" && lines == 5000 {
					stdout = ""
				}
				if code != tt.code || stdout != tt.stdout || missing(n.stderr.String(), tt.stderr...) != nil {
					t.Errorf("%s: code %d, stdout %q, stderr %q", tt.command, code, stdout, &n.stderr)
				}
			}
			n := s.session(settings, "exec", "-i", "p", "--", "/probe.wasm", "echo")
			n.types("one\n")
			n.sees("heard one") // before the next is said
			n.types("two\n")
			n.stdin.Close()
			if rest, code := n.ends(); rest != "heard two\nend\n" || code != 0 {
				t.Errorf("code %d, the rest %q, %s", code, rest, &n.stderr)
			}
		})
	}
}

// TestExecOnATerminal types into kubectl exec -it: the pod's terminal echoes.
func TestExecOnATerminal(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("p", sleeper)
	s.wait("p", lab.Ready)
	for name, settings := range protocols {
		t.Run(name, func(t *testing.T) {
			master, slave, err := terminal.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer master.Close()
			args := append(append([]string{}, settings...), filepath.Join(cluster.PartsDir(), "kubectl"),
				"--namespace", s.name, "exec", "-it", "p", "--", "/probe.wasm", "echo")
			cmd := exec.CommandContext(s.ctx, "env", args...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
			if err := cluster.Start(cmd); err != nil {
				t.Fatal(err)
			}
			slave.Close()
			if err := (terminal.Size{Width: 120, Height: 40}).Resize(master); err != nil {
				t.Error(err)
			}
			if _, err := master.WriteString("hi\n"); err != nil {
				t.Fatal(err)
			}
			seen := readTerminal(t, master, "heard hi\r\n")
			if _, err := master.WriteString("\x04"); err != nil {
				t.Fatal(err)
			}
			seen += readTerminal(t, master, "end\r\n")
			if err := cmd.Wait(); err != nil || !strings.Contains(seen, "hi\r\nheard hi\r\n") {
				t.Errorf("%v; seen %q", err, seen)
			}
		})
	}
}

// readTerminal reads until text has come.
func readTerminal(t *testing.T, master *os.File, text string) string {
	t.Helper()
	var seen []byte
	buffer := make([]byte, 1024)
	for !bytes.Contains(seen, []byte(text)) {
		n, err := master.Read(buffer)
		seen = append(seen, buffer[:n]...)
		if err != nil {
			t.Fatalf("seen %q, %v; want %q", seen, err, text)
		}
	}
	return string(seen)
}

// TestExecEndsWithItsClient: a command nobody watches any more does not stay.
func TestExecEndsWithItsClient(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("p", sleeper)
	id := containerID(t, s.wait("p", lab.Ready), "main")
	main := workerPid(t, id)
	for _, command := range []string{"pause", "spin"} {
		n := s.session(nil, "exec", "p", "--", "/probe.wasm", "then", "out", "up", "--", command)
		n.sees("up")
		pid := otherPid(t, id, main)
		if err := n.cmd.Process.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.processEnd(pid)
	}
	equal(t, "restarts", s.wait("p", lab.Ready).Container("main").RestartCount, 0)
}

// otherPid returns the container's process beside main, of which there is one.
func otherPid(t *testing.T, id string, main int) int {
	t.Helper()
	pids := strings.Fields(readFile(t, filepath.Join(cgroupOf(t, "pids", id), "cgroup.procs")))
	for _, pid := range pids {
		if pid != strconv.Itoa(main) {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("container %s has the processes %q and no other than %d", id, pids, main)
	return 0
}

// TestAttach talks to a container's own program: what one client types it hears,
// what it says all clients see, and its stdin ends with the first client.
func TestAttach(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	for name, settings := range protocols {
		t.Run(name, func(t *testing.T) {
			pod := "p-" + strings.ToLower(name)
			s.pod(pod, `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, out, before, --, echo]
  stdin: true
  stdinOnce: true`)
			s.wait(pod, lab.Ready)
			n := s.session(settings, "attach", "-i", pod)
			n.types("one\n")
			n.sees("heard one")
			watcher := s.session(settings, "attach", pod)
			s.attached(pod)
			n.types("two\n")
			n.sees("heard two")
			watcher.sees("heard two")
			n.stdin.Close()
			for _, client := range []*session{n, watcher} {
				if rest, code := client.ends(); rest != "end\n" || code != 0 {
					t.Errorf("code %d, the rest %q, %s", code, rest, &client.stderr)
				}
			}
			if log := s.succeeds(pod); log != "before\nheard one\nheard two\nend\n" {
				t.Errorf("log %q", log)
			}
		})
	}
}

// attached waits until the worker of a pod serves two clients: the pipes of the
// second are among its descriptors.
func (s *space) attached(pod string) {
	s.t.Helper()
	id := containerID(s.t, s.wait(pod, lab.Ready), "main")
	fds := fmt.Sprintf("/proc/%d/fd", workerPid(s.t, id))
	s.until(func() error {
		links, err := os.ReadDir(fds)
		if err != nil {
			return err
		}
		pipes := 0
		for _, link := range links {
			if to, err := os.Readlink(filepath.Join(fds, link.Name())); err == nil && strings.HasPrefix(to, "pipe:") {
				pipes++
			}
		}
		const own, first, second = 3, 3, 2 // stdin, the guest's copy of it and its far end; in, out, err; out, err
		if pipes < own+first+second {
			return fmt.Errorf("%d pipes", pipes)
		}
		return nil
	})
}

// TestExecProbesAndHooks lets the kubelet run commands: hooks at both ends of a
// container's life, a probe that lets it become ready and one that ends it.
func TestExecProbesAndHooks(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := t.TempDir()
	touch := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	touch("alive")
	s.pod("p", replace(`
restartPolicy: Always
terminationGracePeriodSeconds: 20
volumes: [{name: v, hostPath: {path: DIR}}]
containers:
- name: main
  image: registry.example/probe:1.0
  args: [pause]
  volumeMounts: [{name: v, mountPath: /v}]
  lifecycle:
    postStart: {exec: {command: [/probe.wasm, write, /v/started, by the hook]}}
    preStop: {exec: {command: [/probe.wasm, write, /v/stopped, by the hook]}}
  readinessProbe: {periodSeconds: 1, timeoutSeconds: 30, exec: {command: [/probe.wasm, stat, /v/ready]}}
  livenessProbe: {periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 1, exec: {command: [/probe.wasm, stat, /v/alive]}}`, "DIR", dir))
	s.event("p", "Unhealthy", "Readiness probe failed", "probe:", "/v/ready")
	equal(t, "the postStart hook's file", readFile(t, filepath.Join(dir, "started")), "by the hook")
	touch("ready")
	equal(t, "restarts", s.wait("p", lab.Ready).Container("main").RestartCount, 0)
	if err := os.Remove(filepath.Join(dir, "alive")); err != nil {
		t.Fatal(err)
	}
	s.wait("p", func(p *lab.Pod) bool { c := p.Container("main"); return c != nil && c.RestartCount > 0 })
	touch("alive")
	equal(t, "the preStop hook's file", readFile(t, filepath.Join(dir, "stopped")), "by the hook")
}

// TestAFailedHookEndsItsContainer lets the kubelet see a hook's exit code; it
// keeps the hook's words out of events, since they may be secret.
func TestAFailedHookEndsItsContainer(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("p", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [pause]
  lifecycle: {postStart: {exec: {command: [/probe.wasm, exit, '4']}}}`)
	s.event("p", "FailedPostStartHook", "PostStartHook failed")
	end := terminated(t, s.wait("p", lab.Finished), "main")
	equal(t, "exit code", end.ExitCode, 143)
}
