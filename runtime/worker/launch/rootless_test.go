// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOrdinaryUser runs a guest in the foreground without root, on this test's
// stdio, as `wazelet run` does.
func TestOrdinaryUser(t *testing.T) {
	const user = 12345
	dir, err := os.MkdirTemp(filepath.Dir(workerPath), "rootless")
	if err != nil {
		t.Fatal(err)
	}
	helper := filepath.Join(dir, "rootless")
	build := exec.Command("go", "build", "-p", "1", "-o", helper, "./testdata/rootless")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	home, data := filepath.Join(dir, "home"), filepath.Join(dir, "data")
	for _, d := range []string{home, data} {
		if err := errors.Join(os.Mkdir(d, 0o700), os.Chown(d, user, user)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(helper, workerPath, guestPath, home, data,
		"stdin", "write,/data/file,text", "cat,/data/file", "ls,/", "head,/dev/zero", "write,/x,y", "exit,9")
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader("from the caller")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 9 {
		t.Errorf("%v", err)
	}
	want := []string{
		"stdin: from the caller", "write,/data/file,text: ok", "cat,/data/file: text",
		"ls,/: data dev guest.wasm proc", "head,/dev/zero: 00000000", "write,/x,y: ok",
	}
	if got := strings.TrimSpace(string(out)); got != join(want) {
		t.Errorf("output:\n%s\nwant:\n%s", got, join(want))
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(data, "file"), &st); err != nil || st.Uid != user {
		t.Errorf("the guest's file belongs to %d, %v", st.Uid, err)
	}
}
