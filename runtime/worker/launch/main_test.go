// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// The binaries under test, built once: the shipped worker and a Go guest.
var workerPath, guestPath string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "launch")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Guests of any user must reach what tests put here.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	workerPath, guestPath = filepath.Join(dir, "wazelet-worker"), filepath.Join(dir, "guest.wasm")
	for _, b := range []struct {
		out, pkg string
		env      []string
	}{
		{workerPath, "github.com/wazelet/wazelet/cmd/wazelet-worker", nil},
		{guestPath, "./testdata/guest", []string{"GOOS=wasip1", "GOARCH=wasm"}},
	} {
		cmd := exec.Command("go", "build", "-p", "1", "-trimpath", "-ldflags=-s -w", "-o", b.out, b.pkg)
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), b.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", b.pkg, err, out)
			return 1
		}
	}
	before := descriptors()
	if code := m.Run(); code != 0 {
		return code
	}
	return leaks(before)
}

// leaks fails the run when goroutines or descriptors are left over: a daemon
// starts workers for months.
func leaks(before map[string]int) int {
	// A foreground run keeps the thread its worker ends with.
	kept := goleak.IgnoreAnyFunction("github.com/wazelet/wazelet/runtime/worker/launch.onThread.func1")
	if err := goleak.Find(kept); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name, n := range descriptors() {
		if n > before[name] {
			fmt.Fprintf(os.Stderr, "%s is open %d times after the tests, %d before\n", name, n, before[name])
			return 1
		}
	}
	return 0
}

// descriptors counts what this process has open.
func descriptors() map[string]int {
	open := map[string]int{}
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return nil
	}
	for _, link := range links {
		name, err := os.Readlink(link)
		// The cgroup library holds its root open, once, for good.
		if err == nil && name != "/sys/fs/cgroup" {
			open[name]++
		}
	}
	return open
}

// container is a container under test, before and after its start.
type container struct {
	t       testing.TB
	dir     string
	options launch.Options
	process *launch.Process
	client  *control.Client
}

// define prepares a container that runs the module at path with args.
func define(t testing.TB, module string, args ...string) *container {
	t.Helper()
	c := &container{t: t, dir: t.TempDir()}
	c.options = launch.Options{
		WorkerPath: workerPath,
		Spec: spec.Container{
			ID: "c1", Args: append([]string{"/guest.wasm"}, args...), Cwd: "/",
			Module: &spec.ModuleFile{Name: "guest.wasm"},
		},
		Module: open(t, module),
		Log:    create(t, c.path("log"), os.O_APPEND),
		Exit:   create(t, c.path("exit"), os.O_EXCL),
	}
	l, err := control.Listen(c.path("control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c.options.Control = l
	c.client = control.Dial(c.path("control.sock"))
	return c
}

func (c *container) path(name string) string { return filepath.Join(c.dir, name) }

func open(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func create(t testing.TB, name string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// launch starts the worker up to its gate.
func (c *container) launch(ctx context.Context) error {
	var err error
	c.process, err = launch.Container(ctx, c.options, compileCached(c.t))
	if err == nil {
		p := c.process
		c.t.Cleanup(func() {
			if err := p.Kill(context.Background()); err != nil {
				c.t.Error(err)
			}
		})
	}
	return err
}

func (c *container) start() {
	c.t.Helper()
	if err := c.launch(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.client.Start(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// wait waits for the end and returns the exit record.
func (c *container) wait() spec.Exit {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	status, err := c.process.Wait(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := os.ReadFile(c.path("exit"))
	if err != nil {
		c.t.Fatal(err)
	}
	var exit spec.Exit
	if err := json.Unmarshal(raw, &exit); err != nil {
		c.t.Fatalf("status %+v, exit record %q: %v", status, raw, err)
	}
	if !status.Known || status.Code != exit.Code {
		c.t.Fatalf("status %+v, exit record %+v", status, exit)
	}
	return exit
}

// run starts the container, waits for its end and returns its record and log.
func (c *container) run() (spec.Exit, []string) {
	c.t.Helper()
	c.start()
	exit := c.wait()
	return exit, c.lines()
}

// lines returns the log's texts without time and stream.
func (c *container) lines() []string {
	c.t.Helper()
	raw, err := os.ReadFile(c.path("log"))
	if err != nil {
		c.t.Fatal(err)
	}
	return logTexts(c.t, string(raw))
}

// output runs the container and fails unless it exits with 0 and its log has
// exactly these lines.
func (c *container) output(want ...string) {
	c.t.Helper()
	exit, got := c.run()
	if exit.Code != 0 || !slices.Equal(got, want) {
		c.t.Errorf("exit %+v, log:\n%s\nwant:\n%s", exit, join(got), join(want))
	}
}
