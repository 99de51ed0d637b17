// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/lab"
)

// talker is a server beside a shell that answers what it is told.
const talker = `
CLASS
terminationGracePeriodSeconds: 1
containers:
- name: main
  image: TOOLS
  stdin: true
  command: [sh, -c, "echo begins; while read line; do echo heard $line; done; sleep 600"]
- name: web
  image: WEB
  ports: [{name: http, containerPort: 8080}]
`

// TestCommands is what people do with kubectl, the same for each kind.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			s.pod(k.name, k.fill(talker))
			s.wait(k.name, lab.Ready)
			s.executes(k.name)
			s.attaches(k.name)
			s.forwards(k.name)
			s.copies(k.name)
		})
	}
}

// executes runs commands: output, input and exit codes.
func (s *space) executes(pod string) {
	s.t.Helper()
	equal(s.t, pod+": hostname", s.sh(pod, "main", "hostname"), pod+"\n")
	out, err := cluster.Kubectl(s.ctx, "exec", "--namespace", s.name, pod, "-c", "main", "--", "sh", "-c", "echo out; echo err >&2; exit 5")
	if err == nil || out.Code != 5 || out.Stdout != "out\n" || missing(out.Stderr, "err\n", "exit code 5") != nil {
		s.t.Errorf("%s: exec: code %d, %q, %q", pod, out.Code, out.Stdout, out.Stderr)
	}
	out, err = cluster.CommandInput(s.ctx, strings.NewReader("one\ntwo\n"), "kubectl", "exec", "-i", "--namespace", s.name, pod, "-c", "main", "--", "wc", "-l")
	if err != nil || strings.TrimSpace(out.Stdout) != "2" {
		s.t.Errorf("%s: exec -i: %q, %v", pod, out.Stdout, err)
	}
}

// attaches tells the container's own program something, which it answers there and in
// its log.
func (s *space) attaches(pod string) {
	s.t.Helper()
	cmd, stdin, stdout := s.session("attach", "-i", pod, "-c", "main", "--quiet")
	if _, err := io.WriteString(stdin, "me\n"); err != nil {
		s.t.Fatal(err)
	}
	for {
		line, err := stdout.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s: attach: %q, %v", pod, line, err)
		}
		if line == "heard me\n" {
			break
		}
	}
	must(s.t, cmd.Process.Signal(unix.SIGTERM))
	s.until(func() error {
		if log := s.logs(pod, "-c", "main"); log != "begins\nheard me\n" {
			return fmt.Errorf("log %q", log)
		}
		return nil
	})
	contains(s.t, pod+": log with times", s.logs(pod, "-c", "main", "--timestamps", "--tail=1"), "Z heard me")
}

// session starts kubectl in the namespace. It ends with the test.
func (s *space) session(args ...string) (*exec.Cmd, io.Writer, *bufio.Reader) {
	s.t.Helper()
	cmd := exec.CommandContext(s.ctx, filepath.Join(cluster.PartsDir(), "kubectl"), append([]string{"--namespace", s.name}, args...)...)
	stdin, err := cmd.StdinPipe()
	must(s.t, err)
	stdout, err := cmd.StdoutPipe()
	must(s.t, err)
	must(s.t, cluster.Start(cmd))
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM) // it may have ended
		_ = cmd.Wait()
	})
	return cmd, stdin, bufio.NewReader(stdout)
}

var forwardingFrom = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:[0-9]+) -> `)

// forwards reaches the server through kubectl.
func (s *space) forwards(pod string) {
	s.t.Helper()
	cmd, _, stdout := s.session("port-forward", "--address", "127.0.0.1", "pod/"+pod, ":8080")
	line, err := stdout.ReadString('\n')
	match := forwardingFrom.FindStringSubmatch(line)
	if err != nil || match == nil {
		s.t.Fatalf("%s: port-forward says %q, %v", pod, line, err)
	}
	for range 2 {
		equal(s.t, pod+": forwarded", s.get("http://"+match[1]+"/f"), "hello from /f\n")
	}
	must(s.t, cmd.Process.Signal(unix.SIGTERM))
}

// copies takes a file in and out again.
func (s *space) copies(pod string) {
	s.t.Helper()
	dir := s.t.TempDir()
	content := strings.Repeat(pod+"\n", 5000)
	must(s.t, os.WriteFile(filepath.Join(dir, "in"), []byte(content), 0o644))
	s.in("cp", filepath.Join(dir, "in"), pod+":/tmp/copy", "-c", "main")
	s.in("cp", pod+":/tmp/copy", filepath.Join(dir, "out"), "-c", "main")
	back, err := os.ReadFile(filepath.Join(dir, "out"))
	must(s.t, err)
	if string(back) != content {
		s.t.Errorf("%s: %d bytes came back, want %d", pod, len(back), len(content))
	}
}
