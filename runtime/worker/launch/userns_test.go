// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// firstID is where the ids of the tests' pods begin on the host.
const firstID = 1000000

// inUserNS gives the container a user namespace.
func (c *container) inUserNS() {
	ids := []launch.IDMap{{Container: 0, Host: firstID, Size: 65536}}
	c.options.UserNS = &launch.UserNS{UIDs: ids, GIDs: ids}
}

func owner(t *testing.T, name string, uid, gid uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil || st.Uid != uid || st.Gid != gid {
		t.Errorf("%s: uid %d, gid %d, %v; want %d and %d", name, st.Uid, st.Gid, err, uid, gid)
	}
}

// TestUserNamespace: the worker is somebody else on the host, whatever it is
// inside; its image belongs to its root; volumes with mapped ids are written with
// the ids it has inside, others with those it has outside.
func TestUserNamespace(t *testing.T) {
	wasm, err := os.ReadFile(guestPath)
	if err != nil {
		t.Fatal(err)
	}
	mapped, plain := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(mapped), 0o700), os.Chmod(mapped, 0o777), os.Chmod(plain, 0o777)); err != nil {
		t.Fatal(err)
	}
	c := define(t, guestPath, "cat,/proc/self/status", "cat,/proc/self/uid_map", "cat,/proc/self/gid_map",
		"write,/file,of the guest", "cat,/only-root", "write,/mapped/file,x", "write,/plain/file,x",
		"cat,/proc/sys/kernel/shm_rmid_forced", "write,/tmp/file,x", "size,/dev/null")
	c.options.Spec.Module, c.options.Module = nil, nil
	lower := files(t, map[string]string{"guest.wasm": string(wasm), "only-root": "secret"})
	if err := os.Chmod(filepath.Join(lower, "only-root"), 0o600); err != nil {
		t.Fatal(err)
	}
	upper := c.overlay(lower)
	m := bind(mapped, "/mapped")
	m.MapIDs = true
	c.mount(m)
	c.mount(bind(plain, "/plain"))
	c.mount(spec.Mount{Type: spec.MountTmpfs, Destination: "/tmp"})
	s := &c.options.Spec
	s.UID, s.GID, s.Groups = 0, 0, []uint32{0, 2000}
	s.Sysctls, s.Hostname = map[string]string{"kernel/shm_rmid_forced": "1"}, "pod"
	c.options.NetNS = newNetNS(t)
	c.inUserNS()
	exit, log := c.run()
	if exit.Code != 0 {
		t.Fatalf("exit %+v, log:\n%s", exit, join(log))
	}
	for _, want := range []string{
		"Uid:\t0\t0\t0\t0", "Groups:\t0 2000 ", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
		"cat,/proc/self/uid_map: 0    1000000      65536", "cat,/proc/self/gid_map: 0    1000000      65536",
		"write,/file,of the guest: ok", "cat,/only-root: secret", "write,/mapped/file,x: ok", "write,/plain/file,x: ok",
		"cat,/proc/sys/kernel/shm_rmid_forced: 1", "write,/tmp/file,x: ok", "size,/dev/null: 0",
	} {
		if !slices.Contains(log, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if t.Failed() {
		t.Logf("log:\n%s", join(log))
	}
	owner(t, filepath.Join(upper, "file"), 0, 0)
	owner(t, filepath.Join(mapped, "file"), 0, 0)
	owner(t, filepath.Join(plain, "file"), firstID, firstID)
}

// TestUserNamespaceOfAnArtifact runs as another user than root, of a module whose
// root is one directory, on a file system whose mounts are shared.
func TestUserNamespaceOfAnArtifact(t *testing.T) {
	c := define(t, guestPath, "cat,/proc/self/status", "sleep,1h")
	root := t.TempDir()
	if err := errors.Join(
		unix.Mount(root, root, "", unix.MS_BIND, ""), unix.Mount("", root, "", unix.MS_SHARED, ""),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, 0); err != nil {
			t.Error(err)
		}
	})
	c.options.Spec.Root = []spec.Mount{{Type: spec.MountBind, Source: root, Options: []string{"rw", "rbind"}}}
	c.options.Spec.UID, c.options.Spec.GID, c.options.Spec.Groups = 1000, 2000, []uint32{2000}
	c.inUserNS()
	c.start()
	c.awaitLog()
	for field, want := range map[string]string{"Uid": "1001000 1001000 1001000 1001000", "Gid": "1002000 1002000 1002000 1002000", "CapBnd": "0000000000000000"} {
		for _, got := range statusOf(t, c.process.Pid, field) {
			if strings.Join(strings.Fields(got), " ") != want {
				t.Errorf("%s of a thread is %s, want %s", field, got, want)
			}
		}
	}
	if err := c.process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit := c.wait(); exit.Code != 128+int32(unix.SIGTERM) {
		t.Errorf("exit %+v", exit)
	}
}

func TestUserNamespaceSaysWhatIsMissing(t *testing.T) {
	c := define(t, guestPath)
	c.mount(bind("/does/not/exist", "/data"))
	c.inUserNS()
	if err := c.launch(t.Context()); err == nil || !strings.Contains(err.Error(), "mount /data: source /does/not/exist does not exist") {
		t.Errorf("got %v", err)
	}
	c = define(t, guestPath)
	m := bind("/proc", "/data") // procfs maps no ids
	m.MapIDs = true
	c.mount(m)
	c.inUserNS()
	if err := c.launch(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot map ids") {
		t.Errorf("got %v", err)
	}
}

func TestCheckUserNS(t *testing.T) {
	dir := t.TempDir()
	if err := launch.CheckUserNS(t.Context(), workerPath, dir); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := launch.CheckUserNS(t.Context(), "/bin/true-and-nothing", dir); err == nil {
		t.Error("works without a worker")
	}
	// One that was killed a while ago, and one that may be under way.
	for name, age := range map[string]time.Duration{"userns-killed": time.Hour, "userns-tries": 0} {
		at := time.Now().Add(-age)
		err := errors.Join(os.MkdirAll(filepath.Join(dir, name, "upper", "fs"), 0o755), os.Chtimes(filepath.Join(dir, name), at, at))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := launch.CheckUserNS(t.Context(), workerPath, dir); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "userns-tries" {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCommandInUserNamespace: a command is the same user outside as the guest,
// and writes to the same files.
func TestCommandInUserNamespace(t *testing.T) {
	c := define(t, guestPath, "sleep,10m")
	c.options.Spec.Env = []string{"PATH=/"}
	c.options.Spec.UID, c.options.Spec.GID = 1000, 1000
	c.inUserNS()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	m := bind(dir, "/data")
	m.MapIDs = true
	c.mount(m)
	c.start()
	command, out, err := c.command(launch.ExecOptions{UserNS: c.options.UserNS}, "guest.wasm", "write,/data/file,x", "cat,/proc/self/uid_map", "sleep,200ms")
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{"Uid": "1001000", "Gid": "1001000", "CapBnd": "0000000000000000", "CapPrm": "0000000000000000", "CapAmb": "0000000000000000", "Seccomp": "2"} {
		for _, got := range statusOf(t, command.Pid, field) {
			if strings.Fields(got)[0] != want {
				t.Errorf("%s of a thread is %s, want %s", field, got, want)
			}
		}
	}
	text := readAll(t, out)
	if code := awaitCommand(t, command); code != 0 || !strings.HasPrefix(text, "write,/data/file,x: ok\ncat,/proc/self/uid_map: 0    1000000      65536\n") {
		t.Errorf("code %d, output %q", code, text)
	}
	owner(t, filepath.Join(dir, "file"), 1000, 1000)
}
