// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// holdVariable makes this test program lock the directory it names and wait
// for the end of its standard input.
const holdVariable = "WAZELET_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		os.Exit(hold(dir))
	}
	os.Exit(m.Run())
}

func hold(dir string) int {
	if _, err := Acquire(dir); err != nil {
		return 1
	}
	os.Stdout.WriteString("held")
	os.Stdin.Read(make([]byte, 1))
	return 0
}

func TestALockedDirectoryHasOneHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	other := exec.CommandContext(t.Context(), "/proc/self/exe")
	other.Env = append(os.Environ(), holdVariable+"="+dir)
	stdout, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(dir)
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), dir+": in use by another wazelet, process "+strconv.Itoa(other.Process.Pid)) {
		t.Errorf("a second holder gets %v", err)
	}
	// A holder that is killed holds no longer.
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err == nil {
		t.Fatal("the holder ended by itself")
	}
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if again, err := Acquire(dir); err != nil {
		t.Error(err)
	} else if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestTheSocketIsForOwnerAndGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "s")
	defer unix.Umask(unix.Umask(0))
	listener, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != fs.ModeSocket|0o660 {
		t.Errorf("its mode is %v", got)
	}
}

func TestADeadDaemonsSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	listener, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			connection.Close()
		}
		accepted <- err
	}()
	connection, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	connection.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket stays when the daemon ends")
	}
}

func TestALiveDaemonsSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	live, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if _, err := Listen(t.Context(), path); !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "another process listens on it") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestAFileThatIsNoSocketStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), path); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("error is %v", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file holds %q (%v)", content, err)
	}
}
