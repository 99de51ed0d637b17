// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/toolbox"
	"github.com/wazelet/wazelet/toolbox/command"
)

// result is what a command wrote, and how it ended.
type result struct {
	stdout, stderr string
	code           int
}

// call runs the program, here and not as Wasm, in a directory.
func call(t *testing.T, dir, stdin string, argv ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := &command.Call{
		Dir: dir, Env: []string{"PATH=/nowhere", "HOME=/home/someone"},
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
	}
	code := run(context.Background(), c, argv)
	return result{stdout.String(), stderr.String(), code}
}

func TestTheNamesHandedOutAreTheProgramsOwn(t *testing.T) {
	got := call(t, "/", "", "/bin/toolbox", "--list")
	if want := strings.Join(toolbox.Names(), "\n") + "\n"; got.stdout != want || got.code != 0 {
		t.Errorf("toolbox --list:\n%s\nNames:\n%s", got.stdout, want)
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "toolbox.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(string(doc), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			documented = append(documented, name[1])
		}
	}
	slices.Sort(documented)
	if want := toolbox.Names(); !slices.Equal(documented, want) {
		t.Errorf("docs/toolbox.md has\n%q\nthe program\n%q", documented, want)
	}
}

func TestWhichCommandItIs(t *testing.T) {
	for _, s := range []struct {
		argv []string
		want result
	}{
		{[]string{"/bin/echo", "a"}, result{"a\n", "", 0}},
		{[]string{"/x/toolbox.wasm", "echo", "a"}, result{"a\n", "", 0}},
		{[]string{"toolbox", "/usr/bin/basename", "a/b"}, result{"b\n", "", 0}},
		{[]string{"toolbox", "nonesuch"}, result{"", "toolbox: nonesuch: no such command; toolbox --list has those there are\n", 127}},
		{[]string{"sh", "-c", "exit 3"}, result{"", "", 3}},
	} {
		if got := call(t, "/", "", s.argv...); got != s.want {
			t.Errorf("%q: %+v, want %+v", s.argv, got, s.want)
		}
	}
	for _, argv := range [][]string{{"toolbox"}, {"toolbox", "--help"}, nil} {
		if got := call(t, "/", "", argv...); got.code != 0 || !strings.HasPrefix(got.stdout, "usage: toolbox ") {
			t.Errorf("%q: %+v", argv, got)
		}
	}
}
