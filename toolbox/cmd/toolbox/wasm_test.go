// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programs are the toolbox as Wasm, and what runs it.
var programs struct{ dir, wazelet, module string }

func TestMain(m *testing.M) { os.Exit(withPrograms(m)) }

func withPrograms(m *testing.M) int {
	dir, err := os.MkdirTemp("", "toolbox-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs.dir, programs.wazelet, programs.module = dir, filepath.Join(dir, "wazelet"), filepath.Join(dir, "toolbox.wasm")
	err = errors.Join(
		build(programs.wazelet, "../../../cmd/wazelet"),
		build(filepath.Join(dir, "wazelet-worker"), "../../../cmd/wazelet-worker"),
		build(programs.module, ".", "GOOS=wasip1", "GOARCH=wasm"),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(out, source string, env ...string) error {
	cmd := exec.Command("go", "build", "-p", "2", "-trimpath", "-ldflags=-s -w", "-o", out, source)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, text)
	}
	return nil
}

// wasm is the command that runs the toolbox as Wasm, with a directory as /work; flags are those of
// wazelet run.
func wasm(t *testing.T, dir string, flags []string, argv ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	args := append([]string{"run", "--dir", dir + ":/work", "--workdir", "/work"}, flags...)
	cmd := exec.CommandContext(ctx, programs.wazelet, append(append(args, programs.module), argv...)...)
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(programs.dir, "store"))
	return cmd
}

func runWasm(t *testing.T, stdin string, argv ...string) result {
	t.Helper()
	cmd := wasm(t, t.TempDir(), nil, argv...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// The scripts of TestScripts do as Wasm what they do here; in one run, because starting is what
// takes the time.
func TestScriptsAsWasm(t *testing.T) {
	var all strings.Builder
	var want strings.Builder
	for i, s := range scripts {
		if s.name == "stat" || strings.Contains(s.name, "script of its own") {
			continue
		}
		fmt.Fprintf(&all, "echo '== %s'; mkdir /work/%d; (cd /work/%d; %s\n) </dev/null 2>/dev/null\n", s.name, i, i, s.script)
		fmt.Fprintf(&want, "== %s\n%s", s.name, strings.ReplaceAll(s.want, "/home/someone", "/root"))
	}
	got := runWasm(t, "export HOME=/root PATH=/nowhere\n"+all.String(), "sh")
	if got.stdout == want.String() {
		return
	}
	have, wanted := strings.Split(got.stdout, "== "), strings.Split(want.String(), "== ")
	for i := range wanted {
		if i >= len(have) || have[i] != wanted[i] {
			t.Errorf("as Wasm:\n%s\nwant:\n%s", strings.Join(have[min(i, len(have)):min(i+1, len(have))], ""), wanted[i])
		}
	}
}

func TestErrorsAsWasm(t *testing.T) {
	for _, s := range []struct {
		argv []string
		want result
	}{
		{[]string{"sh", "-c", "exit 5"}, result{"", "", 5}},
		{[]string{"nonesuch"}, result{"", "toolbox: nonesuch: no such command; toolbox --list has those there are\n", 127}},
		{[]string{"cat", "/nofile"}, result{"", "cat: /nofile: No such file or directory\n", 1}},
		{[]string{"sh", "-c", "/toolbox.wasm; echo $?; /bin/echo a; /bin/nonesuch; echo $?"}, result{"126\na\n127\n",
			"sh: /toolbox.wasm: a WebAssembly module cannot be started from within another; run it as a command of its own (kubectl exec POD -- /toolbox.wasm)\n" +
				"sh: /bin/nonesuch: No such file or directory\n", 0}},
		{[]string{"id"}, result{"uid=0 gid=0 groups=0\n", "", 0}}, // the tests are root's
		{[]string{"hostname"}, result{"wazelet\n", "", 0}},
		{[]string{"wget", "https://localhost/"}, result{"", "wget: https://localhost/: https is not supported, only http\n", 1}},
	} {
		if got := runWasm(t, "", s.argv...); got != s.want {
			t.Errorf("%q: %+v, want %+v", s.argv, got, s.want)
		}
	}
}

// While one command waits for input, others run.
func TestStandardInputAsWasm(t *testing.T) {
	cmd := wasm(t, t.TempDir(), nil, "sh")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(stdout)
	for _, s := range []struct{ typed, want string }{
		{"echo hello\n", "hello\n"},
		{"(sleep 0.05; echo from the background) &\n", "from the background\n"}, // the shell reads meanwhile
		{"(sleep 0.05 && echo from a subshell &)\n", "from a subshell\n"},
		{"cat | grep a\nabc\n", "abc\n"},
	} {
		io.WriteString(stdin, s.typed)
		if line, err := in.ReadString('\n'); err != nil || line != s.want {
			t.Fatalf("%q: %q, %v", s.typed, line, err)
		}
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// start starts a server and waits until it accepts.
func start(t *testing.T, cmd *exec.Cmd, port string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		<-ended
	})
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("the server ended: %s", stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestServingAsWasm(t *testing.T) {
	for name, listener := range map[string]bool{"its own listener": false, "a listener it is handed": true} {
		t.Run(name, func(t *testing.T) {
			dir, port := t.TempDir(), freePort(t)
			if err := os.WriteFile(filepath.Join(dir, "page.txt"), []byte("from a file\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var flags []string
			if listener {
				flags = []string{"--listen", "http=127.0.0.1:" + port}
			}
			start(t, wasm(t, dir, flags, "httpd", "-f", "-p", port, "-h", "/work"), port)
			base := "http://127.0.0.1:" + port

			// Several at once: the one that says nothing holds up nobody.
			idle, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			defer idle.Close()
			resp, err := http.Get(base + "/page.txt")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || string(body) != "from a file\n" {
				t.Errorf("%d %q, %v", resp.StatusCode, body, err)
			}
			http.DefaultClient.CloseIdleConnections()

			got := runWasm(t, "", "sh", "-c", "wget -q -O - "+base+"/page.txt; wget -q -O - http://localhost:"+port+"/none; echo $?; nc -z 127.0.0.1 "+port+" && echo open")
			if want := "from a file\n1\nopen\n"; got.stdout != want {
				t.Errorf("wget and nc: %+v, want %q", got, want)
			}
		})
	}
}

func TestConnectionsAsWasm(t *testing.T) {
	port := freePort(t)
	got := runWasm(t, "", "sh", "-c", "nc -z 127.0.0.1 "+port+"; echo $?; (echo answer | nc -l -p "+port+") & sleep 0.1; echo question | nc 127.0.0.1 "+port+"; wait")
	if want := "1\nanswer\nquestion\n"; got.stdout != want && got.stdout != "1\nquestion\nanswer\n" {
		t.Errorf("%+v, want %q", got, want)
	}
	if !strings.Contains(got.stderr, "Connection refused") {
		t.Errorf("standard error: %q", got.stderr)
	}
}
