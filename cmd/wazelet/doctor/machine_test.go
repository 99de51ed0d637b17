// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inMountNamespace runs f on a thread with a mount namespace of its own, in
// which dir is a tmpfs with these options. The thread ends with it.
func inMountNamespace(t *testing.T, dir, options string, flags uintptr, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		goruntime.LockOSThread() // and never unlocked: the thread is not fit for anyone else
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount("tmpfs", dir, "tmpfs", flags, options)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestDirectoriesMustBeWritableAndHaveSpace(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "not", "yet")
	for _, test := range []struct {
		options string
		flags   uintptr
		key     string
		want    string
	}{
		{"size=2g", 0, "root", ""},
		{"size=2g", unix.MS_RDONLY, "root", "fail: " + dir + " cannot be written: read-only file system"},
		{"size=50m", 0, "root", "fail: " + dir + " has 50 MiB left"},
		{"size=500m", 0, "root", "warn: " + dir + " has 500 MiB left, which a few images fill"},
		{"size=500m", 0, "state", ""},
		{"size=2g,nr_inodes=100", 0, "root", "warn: " + dir + " has 99 inodes left"},
	} {
		inMountNamespace(t, dir, test.options, test.flags, func() {
			if got := about(examineDir(test.key, inside), ""); got != test.want {
				t.Errorf("%s on %s: finding is %q, want %q", test.key, test.options, got, test.want)
			}
			if got := examineVolatile(inside); got != nil {
				t.Errorf("a tmpfs is found not to be one: %+v", got)
			}
		})
	}
}

func TestAFileIsNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if got := about(examineDir("root", file), ""); got != "fail: "+file+" is not a directory" {
		t.Errorf("finding is %q", got)
	}
	if got := about(examineDir("root", filepath.Join(file, "below")), ""); !strings.HasPrefix(got, "fail: ") {
		t.Errorf("finding is %q", got)
	}
}

func TestStateOnADiskIsSaid(t *testing.T) {
	if got := about(examineVolatile("/proc/no/such"), ""); got != "warn: /proc is not on a tmpfs: what belongs to one boot outlives it" {
		t.Errorf("finding is %q", got)
	}
}

func TestControllersMustBeThere(t *testing.T) {
	root := t.TempDir()
	for _, controller := range []string{"cpu", "pids"} {
		write(t, filepath.Join(root, controller, "cgroup.procs"), "")
	}
	if got := about(examineCgroups(root), ""); got != "fail: cgroup controller memory is missing: pods' limits on it cannot be kept" {
		t.Errorf("finding is %q", got)
	}
	write(t, filepath.Join(root, "memory", "cgroup.procs"), "")
	if got := examineCgroups(root); got != nil {
		t.Errorf("findings are %+v", got)
	}
	if got := examineCgroups(cgroupRoot); got != nil {
		t.Errorf("this machine's findings are %+v", got)
	}
}

func TestDriverMustSuitTheInitSystem(t *testing.T) {
	booted, not := t.TempDir(), filepath.Join(t.TempDir(), "absent")
	for _, test := range []struct{ driver, dir, want string }{
		{"systemd", booted, ""},
		{"cgroupfs", not, ""},
		{"systemd", not, "fail: cgroup.driver is systemd, but systemd does not run here"},
		{"cgroupfs", booted, "warn: cgroup.driver is cgroupfs, but systemd manages the cgroups here"},
	} {
		if got := about(examineDriver(test.driver, test.dir), ""); got != test.want {
			t.Errorf("%s: finding is %q, want %q", test.driver, got, test.want)
		}
	}
}

func TestOpenFilesAndClockAreJudged(t *testing.T) {
	if got := about(checkOpenFiles(t.Context(), Options{}), ""); !strings.Contains(got, "open files") {
		t.Errorf("finding is %q", got)
	}
	if got := about(checkClock(t.Context(), Options{}), ""); !strings.Contains(got, "clock") {
		t.Errorf("finding is %q", got)
	}
	if os.Geteuid() == 0 {
		if got := about(checkPrivilege(t.Context(), Options{}), ""); got != "ok: examined as root" {
			t.Errorf("finding is %q", got)
		}
	}
}

func TestAFileSystemTheKernelLacksIsNamed(t *testing.T) {
	if got := about(examineFileSystem("no-such-fs"), ""); got != "fail: fsopen no-such-fs: no such device: containers' roots cannot be built" {
		t.Errorf("finding is %q", got)
	}
}
