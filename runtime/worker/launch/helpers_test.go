// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// awaitLog waits until the guest has logged something.
func (c *container) awaitLog() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		c.t.Fatal(err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	defer events.Close()
	context.AfterFunc(ctx, func() { _ = events.SetReadDeadline(time.Unix(1, 0)) })
	if _, err := unix.InotifyAddWatch(fd, c.path("log"), unix.IN_MODIFY); err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for size(c.t, c.path("log")) == 0 {
		if _, err := events.Read(buf); err != nil {
			c.t.Fatalf("the guest logs nothing: %v", err)
		}
	}
}

func size(t testing.TB, name string) int64 {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// compileFresh compiles a module into a directory of the test's own.
func compileFresh(t testing.TB, module string) string {
	t.Helper()
	dir := t.TempDir()
	err := launch.Compiler(t.Context(), launch.CompilerOptions{WorkerPath: workerPath, Module: open(t, module), OutDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// onlyEntry is wazero's one file in a compiled module's directory.
func onlyEntry(t testing.TB, dir string) string {
	t.Helper()
	entries, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("entries %q, %v", entries, err)
	}
	return entries[0]
}

// flip changes one bit in the middle of a file.
func flip(name string) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	raw[len(raw)/2] ^= 1
	return os.WriteFile(name, raw, 0o644)
}

// assertNoChildren fails when this process has a child left, dead or alive.
func assertNoChildren(t testing.TB) {
	t.Helper()
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != unix.ECHILD {
		t.Errorf("a child process is left: waitid says %v", err)
	}
}

// peak is the most memory a process has held so far, in kB.
func peak(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kB int
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		t.Fatal(err)
	}
	return kB
}
