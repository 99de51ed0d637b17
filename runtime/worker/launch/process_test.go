// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// child starts a process that waits for its stdin to close and then exits as
// told.
func sleeper(t *testing.T, script string) (pid int, release func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "read x; " + script}, &os.ProcAttr{Files: []*os.File{r, nil, nil}})
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	pid = p.Pid
	if err := p.Release(); err != nil {
		t.Fatal(err)
	}
	return pid, sync.OnceFunc(func() { w.Close() })
}

func TestAdoptedProcess(t *testing.T) {
	for script, want := range map[string]Status{
		"exit 0":        {true, 0},
		"exit 7":        {true, 7},
		"kill -KILL $$": {true, 137},
		"kill -SYS $$":  {true, 159},
	} {
		t.Run(script, func(t *testing.T) {
			pid, release := sleeper(t, script)
			defer release()
			started, err := startTime(pid)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Adopt(pid, started)
			if err != nil {
				t.Fatal(err)
			}
			// Several may wait, and whoever gives up does not disturb the rest.
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a wait without patience: %v", err)
			}
			var waits sync.WaitGroup
			for range 3 {
				waits.Go(func() {
					if got, err := p.Wait(t.Context()); got != want || err != nil {
						t.Errorf("status %+v, %v; want %+v", got, err, want)
					}
				})
			}
			release()
			waits.Wait()
			if got, err := p.Wait(t.Context()); got != want || err != nil {
				t.Errorf("once more: status %+v, %v", got, err)
			}
			if err := p.Signal(unix.SIGTERM); !errdefs.IsNotFound(err) {
				t.Errorf("signal after the end: %v", err)
			}
			if err := p.Kill(t.Context()); err != nil {
				t.Errorf("kill after the end: %v", err)
			}
			if _, err := Adopt(pid, started); !errdefs.IsNotFound(err) {
				t.Errorf("adopt after the end: %v", err)
			}
		})
	}
}

// TestAdoptKnowsItsOwn: a pid that is somebody else's by now must not be taken.
func TestAdoptKnowsItsOwn(t *testing.T) {
	pid, release := sleeper(t, "exit 0")
	started, err := startTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Adopt(pid, started+1); !errdefs.IsNotFound(err) {
		t.Errorf("another start time: %v", err)
	}
	if _, err := Adopt(0, 0); !errdefs.IsNotFound(err) {
		t.Errorf("no pid: %v", err)
	}
	p, err := Adopt(pid, started)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWaitForSomebodyElsesChild is what a daemon does after its restart: the
// end is seen, the code is not.
func TestWaitForSomebodyElsesChild(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "(read x <&3; exit 5) & echo $!; exec sleep 1000")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd.ExtraFiles = []*os.File{r}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	buf := make([]byte, 32)
	n, err := stdout.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	for _, d := range strings.TrimSpace(string(buf[:n])) {
		pid = pid*10 + int(d-'0')
	}
	started, err := startTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Adopt(pid, started)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got, err := p.Wait(t.Context()); err != nil || got.Known {
		t.Errorf("status %+v, %v", got, err)
	}
}

func TestParseStartTime(t *testing.T) {
	const rest = " S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 111 222"
	for stat, want := range map[string]uint64{
		"12 (sh)" + rest:            98765,
		"12 (a b) c) (d)" + rest:    98765,
		"12 (sh)":                   0,
		"":                          0,
		"12 (sh) S 1 1 1 x":         0,
		"12 (sh" + rest:             0,
		"12 (\n)" + rest + "\n":     98765,
		"12 (sh) S 1 1 1 0 -1 1 1 ": 0,
	} {
		got, err := parseStartTime(stat)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", stat, got, err)
		}
	}
}

func FuzzParseStartTime(f *testing.F) {
	f.Add("12 (sh) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 111 222")
	f.Add("12 (sh")
	f.Fuzz(func(t *testing.T, stat string) {
		if _, err := parseStartTime(stat); err != nil && len(err.Error()) > 1024 {
			t.Errorf("error of %d bytes", len(err.Error()))
		}
	})
}

// TestWaitingHoldsNoThread: a node has hundreds of workers.
func TestWaitingHoldsNoThread(t *testing.T) {
	const many = 40
	before := threads(t)
	var processes []*Process
	var releases []func()
	for range many {
		pid, release := sleeper(t, "exit 0")
		started, err := startTime(pid)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Adopt(pid, started)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = p.Wait(ctx) // starts the watch and leaves
		processes, releases = append(processes, p), append(releases, release)
	}
	if after := threads(t); after-before > many/2 {
		t.Errorf("%d threads for %d processes", after-before, many)
	}
	for _, release := range releases {
		release()
	}
	for _, p := range processes {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}
