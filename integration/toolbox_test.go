// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

// bare is the spec of a pod whose image is nothing but a module that waits.
const bare = `
containers:
- name: main
  image: registry.example/bare:1.0
  env: [{name: GREETING, value: hello}]
  securityContext: {runAsUser: 1000, runAsGroup: 2000}
  volumeMounts: [{name: data, mountPath: /data}]
volumes: [{name: data, emptyDir: {}}]
terminationGracePeriodSeconds: 1
securityContext: {fsGroup: 3000}
`

// bare runs the pod.
func (s *space) bare(name string) string {
	s.t.Helper()
	if _, err := cluster.PushModule(s.ctx, "registry.example/bare:1.0", tiny.Pause("")); err != nil {
		s.t.Fatal(err)
	}
	s.pod(name, bare)
	return containerID(s.t, s.wait(name, lab.Ready), "main")
}

// TestShellInAModule looks into a pod that has no file but its module.
func TestShellInAModule(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.bare("p")
	for command, want := range map[string]string{
		`echo $GREETING $((6*7)); for i in 1 2 3; do echo -n $i; done | tr 123 abc`: "hello 42\nabc",
		"id":       "uid=1000 gid=2000 groups=2000,3000\n",
		"hostname": "p\n",
		"ls /data; echo text > /data/f; wc -c < /data/f; cat /data/f | sha256sum | cut -c1-8": "5\nb9e68e1b\n",
		"cat /proc/self/status | grep -E '^(Uid|NoNewPrivs)' | head -1 | cut -f2":             "1000\n",
		"echo to stderr >&2; exit 3": "",
	} {
		out, err := cluster.Kubectl(s.ctx, "exec", "--namespace", s.name, "p", "--", "sh", "-c", command)
		if strings.HasSuffix(command, "exit 3") {
			if out.Code != 3 || !strings.HasPrefix(out.Stderr, "to stderr\n") {
				t.Errorf("%s: code %d, stderr %q", command, out.Code, out.Stderr)
			}
			continue
		}
		if err != nil || out.Stdout != want {
			t.Errorf("%s: %q, %v; want %q", command, out.Stdout, err, want)
		}
	}
	for _, path := range []string{"ls", "/bin/ls", "/usr/bin/ls"} {
		if out := s.kubectl("exec", "--namespace", s.name, "p", "--", path, "-d", "/data"); out != "/data\n" {
			t.Errorf("%s: %q", path, out)
		}
	}
	out, _ := cluster.Kubectl(s.ctx, "exec", "--namespace", s.name, "p", "--", "/data/ls")
	if out.Code != 127 {
		t.Errorf("a program that is not there is made up: code %d, %q", out.Code, out.Stdout)
	}
}

// TestCopy moves files both ways with kubectl cp.
func TestCopy(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.bare("p")
	dir := t.TempDir()
	large := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for name, content := range map[string]string{"in/a.txt": "first\n", "in/deep/er/b": large} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.in("cp", filepath.Join(dir, "in"), "p:/data/copied")
	equal(t, "a file in the pod", s.kubectl("exec", "--namespace", s.name, "p", "--", "cat", "/data/copied/a.txt"), "first\n")
	s.in("cp", "p:/data/copied", filepath.Join(dir, "out"))
	equal(t, "a file that went there and back", readFile(t, filepath.Join(dir, "out", "deep/er/b")) == large, true)
	equal(t, "a file that went there and back", readFile(t, filepath.Join(dir, "out", "a.txt")), "first\n")
}

// TestInteractiveShell types into a shell on a terminal: Ctrl-C ends the command
// in front and leaves the shell.
func TestInteractiveShell(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.bare("p")
	master, slave, err := terminal.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	cmd := exec.CommandContext(s.ctx, filepath.Join(cluster.PartsDir(), "kubectl"), "--namespace", s.name, "exec", "-it", "p", "--", "sh")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if err := cluster.Start(cmd); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	types := func(text string) {
		if _, err := master.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	types("cd /data; echo in $PWD\n")
	readTerminal(t, master, "in /data\r\n")
	types("echo begun $((1+1)); sleep 1000\n")
	readTerminal(t, master, "begun 2\r\n")
	types("\x03")
	types("echo code $? $((40+2))\n")
	readTerminal(t, master, "code 130 42\r\n")
	types("never run\x03") // what is typed is forgotten
	types("exit 5\n")
	_ = cmd.Wait() // the code tells
	equal(t, "the shell's code", cmd.ProcessState.ExitCode(), 5)
}

// toolboxImage is an image of the toolbox, as make toolbox-image makes it.
const toolboxImage = "registry.example/toolbox:1.0"

func (s *space) pushToolbox() {
	s.t.Helper()
	files, err := image.Toolbox()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := cluster.PushFiles(s.ctx, toolboxImage, image.ToolboxConfig(), files...); err != nil {
		s.t.Fatal(err)
	}
}

// TestTheToolboxIsAnOrdinaryImage runs commands of its image by their names, as busybox's are run.
func TestTheToolboxIsAnOrdinaryImage(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pushToolbox()
	s.pod("script", `
containers:
- name: main
  image: `+toolboxImage+`
  command: [sh, -c]
  args:
  - |
    for i in $(seq 3); do echo $i; done | tail -n 2
    hostname
    cat /etc/resolv.conf | grep -c nameserver
    touch /tmp/made && ls /tmp
    nslookup kubernetes.default >/dev/null 2>&1 || echo no DNS here
    which sh
    exit 0
`)
	equal(t, "output of the script", s.succeeds("script"), "2\n3\nscript\n1\nmade\nno DNS here\n/bin/sh\n")
	s.pod("web", `
containers:
- name: main
  image: `+toolboxImage+`
  command: [nginx, -g, daemon off;]
  ports: [{containerPort: 80}]
  readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
`)
	pod := s.wait("web", lab.Ready)
	body, err := get(s.ctx, labClient(t, 1), "http://"+net.JoinHostPort(pod.Status.PodIP, "80")+"/")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the page", body, "The toolbox of Wazelet serves here.")
}

// TestDebug looks into a running pod with an ephemeral container of the toolbox's
// image, which shares its network.
func TestDebug(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pushToolbox()
	s.serve("web", "")
	s.kubectl("debug", "--namespace", s.name, "web", "--image", toolboxImage, "--target", "main", "--container", "look", "--quiet",
		"--", "sh", "-c", "wget -q -O - http://127.0.0.1:8080/from/beside; echo seen > /tmp/f; cat /tmp/f")
	s.until(func() error {
		log, err := cluster.Logs(s.ctx, s.name, "web", "--container", "look")
		if err == nil && log != "hello from /from/beside\nseen\n" {
			err = fmt.Errorf("log %q", log)
		}
		return err
	})
}
