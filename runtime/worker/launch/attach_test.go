// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/console"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
)

// interactive gives the container a stdin.
func (c *container) interactive(kind spec.Input, once bool) {
	c.t.Helper()
	c.options.Spec.Input, c.options.Spec.InputOnce = kind, once
	var err error
	if kind == spec.InputTerminal {
		c.options.Input, c.options.Stdin, err = terminal.Open()
	} else {
		c.options.Stdin, c.options.Input, err = os.Pipe()
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// startInteractive starts the container; the worker alone then has its stdin.
func (c *container) startInteractive() {
	c.t.Helper()
	c.start()
	c.options.Stdin.Close()
	c.options.Input.Close()
}

// client is attached to a container.
type client struct {
	t              *testing.T
	stdin          *os.File
	stdout, stderr *bufio.Reader
}

func (c *container) attach(t *testing.T) *client {
	t.Helper()
	var s console.Streams
	n := &client{t: t}
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	var out, errs *os.File
	s.Stdin, n.stdin = pipe()
	out, s.Stdout = pipe()
	errs, s.Stderr = pipe()
	n.stdout, n.stderr = bufio.NewReader(out), bufio.NewReader(errs)
	if err := c.client.Attach(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Files() {
		f.Close()
	}
	return n
}

func (n *client) types(text string) {
	n.t.Helper()
	if _, err := n.stdin.WriteString(text); err != nil {
		n.t.Fatal(err)
	}
}

func (n *client) sees(r *bufio.Reader, want string) {
	n.t.Helper()
	line, err := r.ReadString('\n')
	if err != nil || line != want+"\n" {
		n.t.Fatalf("sees %q, %v; want %q", line, err, want)
	}
}

func TestAttachedClientsTypeAndSee(t *testing.T) {
	c := define(t, guestPath, "echo", "terminal")
	c.interactive(spec.InputPipe, true)
	c.startInteractive()
	first := c.attach(t)
	first.types("one\n")
	first.sees(first.stdout, "echo one")
	first.sees(first.stderr, "and one")
	second := c.attach(t) // sees nothing of what was before
	first.types("two\n")
	for _, n := range []*client{first, second} {
		n.sees(n.stdout, "echo two")
		n.sees(n.stderr, "and two")
	}
	first.stdin.Close() // stdinOnce: this is the guest's end of input
	second.sees(second.stdout, "echo: end")
	exit := c.wait()
	if rest := readAll(t, first.stdout); exit.Code != 0 || rest != "echo: end\nterminal: false false false\n" {
		t.Errorf("exit %+v, the rest %q", exit, rest)
	}
	want := "echo one|and one|echo two|and two|echo: end|terminal: false false false"
	if got := strings.Join(c.lines(), "|"); got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

// TestInputStaysOpenForTheNext detaches: without stdinOnce the guest goes on.
func TestInputStaysOpenForTheNext(t *testing.T) {
	c := define(t, guestPath, "echo")
	c.interactive(spec.InputPipe, false)
	c.startInteractive()
	for _, text := range []string{"one", "two"} {
		n := c.attach(t)
		n.types(text + "\n")
		n.sees(n.stdout, "echo "+text)
		n.stdin.Close()
	}
}

func TestAttachToATerminal(t *testing.T) {
	c := define(t, guestPath, "echo", "terminal")
	c.interactive(spec.InputTerminal, false)
	c.startInteractive()
	n := c.attach(t)
	if err := c.client.Resize(t.Context(), terminal.Size{Width: 100, Height: 30}); err != nil {
		t.Error(err)
	}
	n.types("hello\n")
	var seen strings.Builder
	for !strings.Contains(seen.String(), "and hello\r\n") {
		line, err := n.stdout.ReadString('\n')
		seen.WriteString(line)
		if err != nil {
			t.Fatalf("sees %q, %v", seen.String(), err)
		}
	}
	if !strings.Contains(seen.String(), "hello\r\necho hello\r\n") {
		t.Errorf("sees %q: without the terminal's echo", seen.String())
	}
	n.types("\x04") // Ctrl-D
	if exit := c.wait(); exit.Code != 0 {
		t.Errorf("exit %+v", exit)
	}
	// Whatever the guest wrote before its end is in the log.
	if log := c.lines(); log[0] != "hello\r" || log[len(log)-1] != "terminal: true true true\r" {
		t.Errorf("log %q", log)
	}
}

// TestAttachBesideASpinningGuest: the guest computes and never lets go of its
// processor, and who attaches is served all the same.
func TestAttachBesideASpinningGuest(t *testing.T) {
	c := define(t, moduleFile(t, enginetest.Spin("up\n")))
	c.interactive(spec.InputPipe, false)
	c.startInteractive()
	c.awaitLog()
	n := c.attach(t)
	n.types("nobody reads this\n")
}

// TestAClientThatIsGoneIsForgotten attaches more clients than a container has
// room for, one after the other.
func TestAClientThatIsGoneIsForgotten(t *testing.T) {
	c := define(t, guestPath, "echo")
	c.interactive(spec.InputPipe, false)
	c.startInteractive()
	for range 40 {
		out, stdout, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		err = c.client.Attach(t.Context(), console.Streams{Stdout: stdout})
		stdout.Close()
		out.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	n := c.attach(t)
	n.types("still here\n")
	n.sees(n.stdout, "echo still here")
}

func TestThereIsRoomForSoManyClients(t *testing.T) {
	c := define(t, guestPath, "sleep,10m")
	c.start()
	var last error
	for range 33 {
		out, stdout, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		last = c.client.Attach(t.Context(), console.Streams{Stdout: stdout})
		stdout.Close()
	}
	if last == nil || last.Error() != "attach: attach: 32 clients are attached already" {
		t.Errorf("got %v", last)
	}
}

// TestAGuestWithoutStdin is attached to for its output only.
func TestAGuestWithoutStdin(t *testing.T) {
	c := define(t, guestPath, "stdin", "sleep,10m")
	c.start()
	n := c.attach(t)
	if _, err := io.Copy(n.stdin, strings.NewReader(strings.Repeat("x", 1<<20))); err == nil {
		t.Error("somebody reads what nobody wants")
	}
}
