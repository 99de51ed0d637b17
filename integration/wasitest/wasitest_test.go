// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
)

// TestVerdicts runs a suite of our own, with a case for each way to pass or fail,
// through the real program.
func TestVerdicts(t *testing.T) {
	bin := t.TempDir()
	cmd := exec.Command("go", "build", "-p", "2", "-trimpath", "-ldflags=-s -w", "-o", bin, "./cmd/wazelet", "./cmd/wazelet-worker")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	for _, test := range []struct {
		name, spec string
		module     []byte
		want       string // "ok", or the fault
	}{
		{"hello", `{"stdout":"hello"}`, tiny.Hello("hello"), "ok"},
		{"unspecified", "", tiny.Hello("whatever"), "ok"},
		{"exit", `{"exit_code":33,"stderr":"e"}`, tiny.Print("", "e", 33), "ok"},
		{"arguments", `{"args":["--dir","x"],"env":{"A":"b=\n"},"root":"fs.dir"}`, tiny.Hello(""), "ok"},
		{"wrong-exit", `{}`, tiny.Print("", "why\n", 2), "exit code 2, want 0\n      | why\n"},
		{"wrong-output", `{"stdout":"hell"}`, tiny.Hello("hello"), `standard output is "hello", want "hell"`},
		{"wrong-error", `{"stderr":""}`, tiny.Print("", "e", 0), `standard error is "e", want ""`},
		{"trap", `{}`, tiny.Trap(), "exit code 134, want 0\n      | wasm trap: unreachable"},
		{"unknown", `{"operations":[]}`, tiny.Hello(""), `unknown field "operations"`},
		{"outside", `{"root":"../.."}`, tiny.Hello(""), "not below the specification"},
		{"no-root", `{"root":"absent"}`, tiny.Hello(""), "copy of the case's directory: "},
		{"endless", `{}`, tiny.Pause(""), "not at its end after 2s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			suite := t.TempDir()
			cases := filepath.Join(suite, "tests", "c", "testsuite", "wasm32-wasip1")
			err := errors.Join(os.MkdirAll(filepath.Join(cases, "fs.dir", "sub"), 0o755),
				os.WriteFile(filepath.Join(cases, "fs.dir", "file"), []byte("x"), 0o644),
				os.WriteFile(filepath.Join(cases, test.name+".wasm"), test.module, 0o644))
			if test.spec != "" {
				err = errors.Join(err, os.WriteFile(filepath.Join(cases, test.name+".json"), []byte(test.spec), 0o644))
			}
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			args := []string{"-wazelet", filepath.Join(bin, "wazelet"), suite}
			passed := 1
			if test.name == "endless" {
				args = append([]string{"-timeout", "2s"}, args...)
			}
			err = run(t.Context(), args, &out)
			if test.want == "ok" && err != nil {
				t.Errorf("%v\n%s", err, &out)
			}
			if test.want != "ok" {
				passed = 0
				if !errors.Is(err, errFailed) || !strings.Contains(out.String(), test.want) {
					t.Errorf("%v\n%s\nwant %q", err, &out, test.want)
				}
			}
			if want := fmt.Sprintf("total            %6d %6d\n", passed, 1); !strings.HasSuffix(out.String(), want) {
				t.Errorf("%s\nwant at the end %q", &out, want)
			}
		})
	}
}

func TestNoSuiteIsAnError(t *testing.T) {
	for _, args := range [][]string{{}, {""}, {t.TempDir()}, {"a", "b"}, {"-run", "(", "a"}, {"-wazelet", "/absent", "."}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err == nil || errors.Is(err, errFailed) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestOnlySomeCases(t *testing.T) {
	suite := t.TempDir()
	for _, name := range []string{"c/testsuite/wasm32-wasip1/one.wasm", "rust/testsuite/wasm32-wasip1/one.wasm", "rust/testsuite/wasm32-wasip3/two.wasm"} {
		file := filepath.Join(suite, "tests", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for match, want := range map[string]string{"": "[c/one rust/one]", "^rust/": "[rust/one]", "two": "[]"} {
		cases, err := find(suite, regexp.MustCompile(match))
		if got := fmt.Sprint(cases); got != want || (err != nil) != (want == "[]") {
			t.Errorf("%q finds %s (%v), want %s", match, got, err, want)
		}
	}
}
