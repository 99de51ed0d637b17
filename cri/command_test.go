// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	utilexec "k8s.io/utils/exec"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// commandHost runs a container that computes for ever, with programs beside it.
func (n *testNode) commandHost() string {
	n.t.Helper()
	img, err := image.Files(image.Config{Entrypoint: []string{"/spin.wasm"}, Env: []string{"PATH=/bin"}},
		image.File{Path: "/spin.wasm", Content: enginetest.Spin("on\n")},
		image.File{Path: "/bin/print", Content: enginetest.Print(1, "hello\n")},
		image.File{Path: "/bin/complain", Content: enginetest.Print(2, "oh\n")},
		image.File{Path: "/bin/seven", Content: enginetest.Exit(7)},
		image.File{Path: "/bin/trap", Content: enginetest.Trap()},
		image.File{Path: "/bin/text", Content: []byte("#!/bin/sh\n"), Mode: 0o755},
	)
	ref := n.publish("commands:v1", img, err)
	pod := n.pod("commands")
	id := n.create(n.run(pod), n.container("c", ref, n.pull(ref)), pod)
	must(n.t, n.runtime.StartContainer(n.t.Context(), id))
	return id
}

func TestExecSyncReturnsWhatACommandSaysAndItsCode(t *testing.T) {
	n := newNode(t)
	id := n.commandHost()
	for _, tt := range []struct {
		command                  string
		stdout, stderr, contains string
		code                     int
	}{
		{command: "print", stdout: "hello\n"},
		{command: "/bin/complain", stderr: "oh\n"},
		{command: "seven", code: 7},
		{command: "trap", code: 134, contains: "wasm trap: unreachable\n"},
		{command: "nothing", code: 127, contains: "exec: nothing: not found in PATH (/bin) or in the working directory"},
		{command: "/bin/nothing", code: 127, contains: "exec: /bin/nothing: no such file"},
		{command: "text", code: 126, contains: "exec: /bin/text: "},
		{command: "/bin", code: 126, contains: "exec: /bin: not a regular file"},
	} {
		stdout, stderr, err := n.runtime.ExecSync(t.Context(), id, []string{tt.command}, 0)
		code := 0
		if exit, ok := errors.AsType[utilexec.CodeExitError](err); ok {
			code = exit.Code
		} else if err != nil {
			t.Errorf("%s: %v", tt.command, err)
			continue
		}
		if code != tt.code || string(stdout) != tt.stdout {
			t.Errorf("%s: code %d, stdout %q; want %d, %q", tt.command, code, stdout, tt.code, tt.stdout)
		}
		if got := string(stderr); tt.contains == "" && got != tt.stderr || !strings.Contains(got, tt.contains) {
			t.Errorf("%s: stderr %q, want %q", tt.command, got, tt.stderr+tt.contains)
		}
	}
}

func TestExecSyncKillsWhatTakesTooLong(t *testing.T) {
	n := newNode(t)
	id := n.commandHost()
	_, _, err := n.runtime.ExecSync(t.Context(), id, []string{"/spin.wasm"}, time.Second)
	if s := status.Convert(err); s.Code() != codes.DeadlineExceeded && !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "timed out") {
		t.Fatalf("got %v", err)
	}
	// The answer comes when the command is gone: its container's worker is alone.
	groups, err := filepath.Glob("/sys/fs/cgroup/*" + n.cgroups + "/*/" + id + "/cgroup.procs")
	must(t, err)
	if len(groups) == 0 {
		t.Fatal("the container's cgroup is nowhere")
	}
	for _, group := range groups {
		pids, err := os.ReadFile(group)
		must(t, err)
		if got := strings.Fields(string(pids)); len(got) != 1 {
			t.Errorf("%s: processes %q", group, got)
		}
	}
}

func TestCommandsAreRefusedWithTheReason(t *testing.T) {
	n := newNode(t)
	id := n.commandHost()
	for name, tt := range map[string]struct {
		call func() error
		code codes.Code
		want string
	}{
		"no container": {func() error {
			return n.execURL(&runtimeapi.ExecRequest{ContainerId: "0123", Cmd: []string{"x"}, Stdout: true})
		},
			codes.NotFound, "container 0123"},
		"no command": {func() error { return n.execURL(&runtimeapi.ExecRequest{ContainerId: id, Stdout: true}) },
			codes.InvalidArgument, "cmd: no command given"},
		"no stream": {func() error { return n.execURL(&runtimeapi.ExecRequest{ContainerId: id, Cmd: []string{"x"}}) },
			codes.InvalidArgument, "stdout: one of stdin, stdout and stderr must be wanted"},
		"stderr of a terminal": {func() error {
			return n.execURL(&runtimeapi.ExecRequest{ContainerId: id, Cmd: []string{"x"}, Tty: true, Stderr: true})
		}, codes.InvalidArgument, "stderr: a terminal has one output"},
		"a word with a NUL byte": {func() error {
			return n.execURL(&runtimeapi.ExecRequest{ContainerId: id, Cmd: []string{"x", "a\x00b"}, Stdout: true})
		}, codes.InvalidArgument, "cmd[1]: contains a NUL byte"},
		"attach without streams": {func() error {
			_, err := n.runtime.Attach(t.Context(), &runtimeapi.AttachRequest{ContainerId: id})
			return err
		}, codes.InvalidArgument, "stdout: one of"},
	} {
		if s := status.Convert(tt.call()); s.Code() != tt.code || !strings.Contains(s.Message(), tt.want) {
			t.Errorf("%s: %s %q, want %s and %q", name, s.Code(), s.Message(), tt.code, tt.want)
		}
	}
	must(t, n.runtime.StopContainer(t.Context(), id, 0))
	if s := status.Convert(n.execURL(&runtimeapi.ExecRequest{ContainerId: id, Cmd: []string{"x"}, Stdout: true})); s.Code() != codes.FailedPrecondition {
		t.Errorf("a command in a container that has ended: %v", s)
	}
	if _, _, err := n.runtime.ExecSync(t.Context(), id, []string{"print"}, 0); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a command in a container that has ended: %v", err)
	}
}

// execURL asks for a command and checks what it gets.
func (n *testNode) execURL(r *runtimeapi.ExecRequest) error {
	n.t.Helper()
	resp, err := n.runtime.Exec(n.t.Context(), r)
	if err != nil {
		return err
	}
	u, err := url.Parse(resp.GetUrl())
	must(n.t, err)
	if u.Hostname() != "127.0.0.1" || !strings.HasPrefix(u.Path, "/exec/") {
		n.t.Errorf("the URL is %s", u)
	}
	return nil
}

func TestOutputIsCappedForBothStreams(t *testing.T) {
	room := &budget{left: 10}
	stdout, stderr := capped{room: room}, capped{room: room}
	for _, w := range []*capped{&stdout, &stderr, &stdout} {
		if n, err := w.Write([]byte("1234567")); n != 7 || err != nil {
			t.Errorf("wrote %d, %v: the command must not notice", n, err)
		}
	}
	if stdout.String() != "1234567" || stderr.String() != "123" {
		t.Errorf("kept %q and %q", stdout.String(), stderr.String())
	}
}
