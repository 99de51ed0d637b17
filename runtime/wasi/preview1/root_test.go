// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// inRoot runs a test as a worker would: the preopen is the root of the process.
func inRoot(t *testing.T, prepare func(dir string), test func(c *wasitest.Caller)) {
	t.Helper()
	dir := t.TempDir()
	prepare(dir)
	wasitest.InRoot(t, dir, func() {
		fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Close(fd) }()
		c, _ := caller(t, wasi.Options{Preopens: []wasi.Preopen{{Path: "/", FD: fd}}})
		test(c)
	})
}

func TestInItsOwnRootAGuestFollowsAbsoluteLinks(t *testing.T) {
	secret := t.TempDir()
	writeFile(t, secret, "secret", "top")
	inRoot(t, func(dir string) {
		for _, d := range []string{"etc", "usr"} {
			if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		writeFile(t, dir, "usr/zone", "UTC")
		for name, target := range map[string]string{
			"etc/localtime": "/usr/zone", "etc/up": "../../../../usr/zone", "out": secret,
		} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}, func(c *wasitest.Caller) {
		etc := openDir(t, c, "etc")
		for _, p := range []string{"localtime", "up"} {
			ptr, n := path(c, atPath, p)
			c.Expect(wasi.ESUCCESS, p1("path_open"), etc, 1, ptr, n, 0, 2, 0, 0, atResult)
			if got := read(t, c, uint64(c.U32(atResult)), 10); got != "UTC" {
				t.Errorf("%s from /etc: %q", p, got)
			}
		}
		ptr, n := path(c, atPath, "../usr/zone")
		c.Expect(wasi.EPERM, p1("path_open"), etc, 1, ptr, n, 0, 2, 0, 0, atResult)
		if _, errno, _ := openWith(c, "out/secret", 1, 0, 2, 0); errno != wasi.ENOENT {
			t.Errorf("a link to a directory of the host: %v, want %v", errno, wasi.ENOENT)
		}
	})
}

func TestProcIsNoWayOut(t *testing.T) {
	inRoot(t, func(string) {}, func(c *wasitest.Caller) {
		const rw = uint64(wasi.RightFDRead | wasi.RightFDWrite)
		for _, s := range []struct {
			path   string
			rights uint64
			want   wasi.Errno
		}{
			{"proc/self/fd/0", 2, wasi.ELOOP},
			{"proc/self/cwd/etc", 2, wasi.ELOOP},
			{"proc/self/root/etc", 2, wasi.ELOOP},
			{"proc/self/exe", 2, wasi.ELOOP},
			{"proc/self/mem", rw, wasi.EACCES},
			{"proc/self/mem", 2, wasi.EACCES},
			{"proc/self/environ", 2, wasi.EACCES},
			{"proc/self/auxv", 2, wasi.EACCES},
			{"proc/self/comm", rw, wasi.EACCES},
			{"proc/meminfo", 2, wasi.ESUCCESS},
			{"proc", 0, wasi.ESUCCESS},
		} {
			fd, errno, err := openWith(c, s.path, 1, 0, s.rights, 0)
			if errno != s.want || err != nil {
				t.Errorf("%s with rights %#x: %v, %v, want %v", s.path, s.rights, errno, err, s.want)
			}
			if errno == wasi.ESUCCESS {
				c.Expect(wasi.ESUCCESS, p1("fd_close"), fd)
			}
		}
		for _, p := range []string{"proc/self/fd/0/x", "proc/self/root/x", "proc/self/cwd/x"} {
			on(c, wasi.ELOOP, "path_create_directory", p)
			on(c, wasi.ELOOP, "path_unlink_file", p)
			ptr, n := path(c, atPath, p)
			c.Expect(wasi.ELOOP, p1("path_filestat_get"), root, 1, ptr, n, atStruct)
		}
	})
}

func TestReadOnlyMountsAnswerEROFSThroughout(t *testing.T) {
	inRoot(t, func(string) {}, func(c *wasitest.Caller) {
		const rofs = wasi.EROFS
		on(c, rofs, "path_create_directory", "ro/new")
		on(c, rofs, "path_remove_directory", "ro/d")
		on(c, rofs, "path_unlink_file", "ro/f")
		for name, s := range map[string][3]uint64{
			"write": {0, uint64(wasi.RightFDWrite), 0}, "append": {0, uint64(wasi.RightFDWrite), uint64(wasi.FlagAppend)},
			"truncate": {truncate, uint64(wasi.RightFDRead), 0},
		} {
			if _, errno, _ := openWith(c, "ro/f", 1, s[0], s[1], s[2]); errno != rofs {
				t.Errorf("%s: %v", name, errno)
			}
		}
		if _, errno, _ := openWith(c, "ro/new", 1, create, uint64(wasi.RightFDWrite), 0); errno != rofs {
			t.Errorf("create: %v", errno)
		}
		from, n := path(c, atPath, "ro/f")
		to, m := path(c, atPath2, "ro/g")
		c.Expect(rofs, p1("path_rename"), root, from, n, root, to, m)
		c.Expect(rofs, p1("path_link"), root, 0, from, n, root, to, m)
		c.Expect(rofs, p1("path_symlink"), from, n, root, to, m)
		c.Expect(rofs, p1("path_filestat_set_times"), root, 0, from, n, 0, 0, uint64(wasi.SetMtimNow))
		fd, errno, _ := openWith(c, "ro/f", 1, 0, uint64(wasi.RightFDRead|wasi.RightFDFilestatSetTimes), 0)
		if errno != wasi.ESUCCESS {
			t.Errorf("reading: %v", errno)
			return
		}
		c.Expect(rofs, p1("fd_filestat_set_times"), fd, 0, 0, uint64(wasi.SetMtimNow))
	})
}
