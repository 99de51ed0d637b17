// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"os"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

func TestProgramIsFoundAsAnyOther(t *testing.T) {
	wasm, err := os.ReadFile(guestPath)
	if err != nil {
		t.Fatal(err)
	}
	lower := files(t, map[string]string{
		"usr/bin/tool":  string(wasm),
		"work/local":    string(wasm),
		"opt/link":      "->../../../usr/bin/tool",
		"bin/":          "",
		"opt/tool/":     "",
		"etc/text":      "hello there",
		"work/sub/x":    "",
		"other/up.wasm": string(wasm),
	})
	run := func(t *testing.T, c *container, argv0 string) error {
		c.options.Spec.Module, c.options.Module = nil, nil
		c.options.Spec.Args = []string{argv0, "args"}
		c.options.Spec.Cwd = "/work"
		c.overlay(lower)
		return c.launch(t.Context())
	}
	for argv0, env := range map[string]string{
		"/usr/bin/tool":    "",
		"tool":             "", // the default PATH
		"tool ":            "PATH=/bin:/usr/bin",
		"./local":          "",
		"local":            "PATH=/bin", // the working directory comes last
		"../other/up.wasm": "",
		"/opt/link":        "",
		"tool  ":           "PATH=/opt:/usr/bin", // a directory of that name is passed over
	} {
		t.Run(argv0+env, func(t *testing.T) {
			c := define(t, guestPath)
			c.options.Spec.Env = []string{env}
			argv0 := strings.TrimSpace(argv0)
			if err := run(t, c, argv0); err != nil {
				t.Fatal(err)
			}
			if _, err := c.client.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.wait()
			if got := join(c.lines()); got != "args: "+argv0+" args" {
				t.Errorf("log %q", got)
			}
		})
	}
	for argv0, want := range map[string]string{
		"nothere":   "nothere: not found in PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin) or in the working directory: not found",
		"/no/where": "/no/where: no such file or directory: not found",
		"/bin":      "/bin: not a regular file: invalid argument",
		"":          "the container has no command: invalid argument",
		"/etc/text": `/etc/text: not a WebAssembly module: it is text that begins with "hello there": invalid argument`,
	} {
		t.Run("refused "+argv0, func(t *testing.T) {
			if err := run(t, define(t, guestPath), argv0); err == nil || err.Error() != want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWorkingDirectoryMustBeOne(t *testing.T) {
	c := define(t, guestPath)
	c.overlay(files(t, map[string]string{"file": ""}))
	c.options.Spec.Cwd = "/file/x"
	if err := c.launch(t.Context()); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "working directory /file/x: not a directory") {
		t.Errorf("got %v", err)
	}
}
