// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// on calls a function that takes a directory and a path.
func on(c *wasitest.Caller, want wasi.Errno, fn, p string, more ...uint64) {
	ptr, n := path(c, atPath, p)
	c.Expect(want, p1(fn), append([]uint64{root, ptr, n}, more...)...)
}

func TestDirectoriesAreMadeAndRemoved(t *testing.T) {
	c, dir := inDir(t)
	on(c, wasi.ESUCCESS, "path_create_directory", "d")
	on(c, wasi.ESUCCESS, "path_create_directory", "d/e/")
	on(c, wasi.EEXIST, "path_create_directory", "d")
	on(c, wasi.ENOENT, "path_create_directory", "x/y")
	on(c, wasi.ENOTEMPTY, "path_remove_directory", "d")
	on(c, wasi.EISDIR, "path_unlink_file", "d/e")
	on(c, wasi.ESUCCESS, "path_remove_directory", "d/e")
	writeFile(t, dir, "f", "")
	on(c, wasi.ENOTDIR, "path_remove_directory", "f")
	on(c, wasi.ENOTDIR, "path_unlink_file", "f/")
	on(c, wasi.ESUCCESS, "path_unlink_file", "f")
	on(c, wasi.ENOENT, "path_unlink_file", "f")
	on(c, wasi.EPERM, "path_create_directory", "../x")
	on(c, wasi.EPERM, "path_unlink_file", "/etc/passwd")
}

func TestSymlinksAreReadCutToTheBuffer(t *testing.T) {
	c, dir := inDir(t)
	target, n := path(c, atPath2, "some/target")
	at, length := path(c, atPath, "link")
	c.Expect(wasi.ESUCCESS, p1("path_symlink"), target, n, root, at, length)
	c.Expect(wasi.EEXIST, p1("path_symlink"), target, n, root, at, length)
	if got, err := os.Readlink(filepath.Join(dir, "link")); err != nil || got != "some/target" {
		t.Fatalf("link: %q, %v", got, err)
	}
	for _, size := range []uint64{100, 11, 4, 0} {
		on(c, wasi.ESUCCESS, "path_readlink", "link", atData, size, atResult)
		want := "some/target"[:min(11, size)]
		if got := string(c.Mem[atData : atData+c.U32(atResult)]); got != want {
			t.Errorf("into %d bytes: %q, want %q", size, got, want)
		}
	}
	on(c, wasi.ENOENT, "path_readlink", "none", atData, 10, atResult)
	on(c, wasi.EINVAL, "path_readlink", ".", atData, 10, atResult)
	absolute, n := path(c, atPath2, "/etc")
	c.Expect(wasi.EPERM, p1("path_symlink"), absolute, n, root, at, length)
	path(c, atPath, "link")
	c.Expect(wasi.ESUCCESS, p1("path_filestat_get"), root, 0, at, 4, atStruct)
	if typ := c.Mem[atStruct+16]; typ != byte(wasi.FileSymbolicLink) {
		t.Errorf("type of the link: %d", typ)
	}
	c.Expect(wasi.ENOENT, p1("path_filestat_get"), root, 1, at, 4, atStruct)
	if _, errno, _ := openWith(c, "link", 0, 0, 2, 0); errno != wasi.ELOOP {
		t.Errorf("open without following: %v, want %v", errno, wasi.ELOOP)
	}
}

func TestRenameAndLink(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "data")
	on(c, wasi.ESUCCESS, "path_create_directory", "d")
	sub := openDir(t, c, "d")
	from, n := path(c, atPath, "f")
	to, m := path(c, atPath2, "g")
	c.Expect(wasi.ESUCCESS, p1("path_link"), root, 0, from, n, sub, to, m)
	c.Expect(wasi.EEXIST, p1("path_link"), root, 0, from, n, sub, to, m)
	if got := readFile(t, dir, "d/g"); got != "data" {
		t.Errorf("link: %q", got)
	}
	on(c, wasi.ESUCCESS, "path_unlink_file", "d/g")
	path(c, atPath, "f")
	c.Expect(wasi.ESUCCESS, p1("path_rename"), root, from, n, sub, to, m)
	c.Expect(wasi.ENOENT, p1("path_rename"), root, from, n, sub, to, m)
	if got := readFile(t, dir, "d/g"); got != "data" {
		t.Errorf("renamed: %q", got)
	}
	link, l := path(c, atPath, "link")
	if err := os.Symlink("d/g", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	c.Expect(wasi.ESUCCESS, p1("path_link"), root, 0, link, l, root, to, m)
	if st, err := os.Lstat(filepath.Join(dir, "g")); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("a link to a link is no link: %v, %v", st, err)
	}
	on(c, wasi.ESUCCESS, "path_unlink_file", "g")
	path(c, atPath, "link")
	c.Expect(wasi.ESUCCESS, p1("path_link"), root, 1, link, l, root, to, m)
	if st, err := os.Lstat(filepath.Join(dir, "g")); err != nil || !st.Mode().IsRegular() {
		t.Errorf("following: %v, %v", st, err)
	}
}

func TestPathsThroughLinksStayInThePreopen(t *testing.T) {
	c, dir := inDir(t)
	secret := t.TempDir()
	writeFile(t, secret, "secret", "top")
	rel, err := filepath.Rel(dir, secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"absolute": secret, "relative": rel, "file": filepath.Join(secret, "secret"), "magic": "/proc/self/root",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, dir, "own", "mine")
	for _, p := range []string{"absolute/secret", "relative/secret", "file", "magic" + secret + "/secret"} {
		if _, errno, _ := openWith(c, p, 1, 0, 2, 0); errno == wasi.ESUCCESS {
			t.Errorf("open %s: reached the outside", p)
		}
		ptr, n := path(c, atPath, p)
		if errno, _ := c.Call(p1("path_filestat_get"), root, 1, ptr, n, atStruct); errno == wasi.ESUCCESS {
			t.Errorf("stat %s: reached the outside", p)
		}
	}
	for _, p := range []string{"absolute/x", "relative/x"} {
		ptr, n := path(c, atPath, p)
		own, m := path(c, atPath2, "own")
		for fn, args := range map[string][]uint64{
			"path_create_directory": {root, ptr, n},
			"path_symlink":          {own, m, root, ptr, n},
			"path_link":             {root, 0, own, m, root, ptr, n},
			"path_rename":           {root, own, m, root, ptr, n},
		} {
			if errno, _ := c.Call(p1(fn), args...); errno == wasi.ESUCCESS {
				t.Errorf("%s %s: reached the outside", fn, p)
			}
		}
		if _, errno, _ := openWith(c, p, 1, create, 66, 0); errno == wasi.ESUCCESS {
			t.Errorf("create %s: reached the outside", p)
		}
	}
	if left, err := os.ReadDir(secret); err != nil || len(left) != 1 {
		t.Errorf("outside now holds %v, %v", left, err)
	}
	on(c, wasi.EPERM, "path_unlink_file", "../"+filepath.Base(secret)+"/secret")
	if _, errno, _ := openWith(c, "relative/secret", 1, 0, 2, 0); errno != wasi.ENOENT {
		t.Errorf("a link out of the root means a path inside: %v, want %v", errno, wasi.ENOENT)
	}
}

// readdir reads a whole directory through a buffer of this size.
func readdir(t *testing.T, c *wasitest.Caller, fd uint64, size uint64) (names []string, cookies []uint64) {
	t.Helper()
	for cookie := uint64(0); ; {
		c.Expect(wasi.ESUCCESS, p1("fd_readdir"), fd, atData, size, cookie, atResult)
		used := c.U32(atResult)
		b := c.Mem[atData : atData+used]
		for len(b) >= 24 {
			namlen := int(binary.LittleEndian.Uint32(b[16:]))
			if len(b) < 24+namlen {
				break
			}
			cookie = binary.LittleEndian.Uint64(b)
			names, cookies = append(names, string(b[24:24+namlen])), append(cookies, cookie)
			b = b[24+namlen:]
		}
		if uint64(used) < size {
			return names, cookies
		}
	}
}

func TestReaddirGivesEveryEntryOnceWhateverTheBuffer(t *testing.T) {
	c, dir := inDir(t)
	want := []string{".", ".."}
	for i := range 500 {
		name := fmt.Sprintf("file-with-a-longer-name-%d", i)
		writeFile(t, dir, name, "")
		want = append(want, name)
	}
	slices.Sort(want)
	fd := openDir(t, c, ".")
	for _, size := range []uint64{64, 100, 4096, 60000} {
		names, cookies := readdir(t, c, fd, size)
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("through %d bytes: %d entries, want %d", size, len(names), len(want))
		}
		// A cookie stands for its place even after others were used.
		again, _ := entriesFrom(c, fd, cookies[99])
		slices.Sort(cookies)
		if cookies = slices.Compact(cookies); len(cookies) != len(want) || again == 0 {
			t.Errorf("%d distinct cookies for %d entries; %d bytes after the 100th", len(cookies), len(want), again)
		}
	}
	writeFile(t, dir, "new", "")
	if names, _ := readdir(t, c, fd, 4096); !slices.Contains(names, "new") {
		t.Error("starting over does not show a new file")
	}
	file := open(t, c, "new", 0, 0)
	c.Expect(wasi.ENOTDIR, p1("fd_readdir"), file, atData, 100, 0, atResult)
	c.Expect(wasi.EINVAL, p1("fd_readdir"), fd, atData, 100, 1<<63, atResult)
	c.Expect(wasi.ESUCCESS, p1("fd_readdir"), fd, atData, 0, 0, atResult)
}

func entriesFrom(c *wasitest.Caller, fd, cookie uint64) (uint32, wasi.Errno) {
	errno, _ := c.Call(p1("fd_readdir"), fd, atData, 4096, cookie, atResult)
	return c.U32(atResult), errno
}

func TestPreopensAreFoundAndNothingElseIs(t *testing.T) {
	c, dir := inDir(t)
	c.Expect(wasi.ESUCCESS, p1("fd_prestat_get"), root, atStruct)
	if tag, n := c.U32(atStruct), c.U32(atStruct+4); tag != 0 || n != 1 {
		t.Fatalf("prestat: tag %d, length %d", tag, n)
	}
	c.Expect(wasi.ENAMETOOLONG, p1("fd_prestat_dir_name"), root, atData, 0)
	c.Expect(wasi.ESUCCESS, p1("fd_prestat_dir_name"), root, atData, 1)
	if c.Mem[atData] != '/' {
		t.Errorf("name: %q", c.Mem[atData])
	}
	writeFile(t, dir, "f", "")
	for _, fd := range []uint64{0, 1, 2, open(t, c, "f", 0, 0), openDir(t, c, "."), 99} {
		c.Expect(wasi.EBADF, p1("fd_prestat_get"), fd, atStruct)
		c.Expect(wasi.EBADF, p1("fd_prestat_dir_name"), fd, atData, 10)
	}
}

func TestRenumberMovesAndCloses(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "a", "A")
	writeFile(t, dir, "b", "B")
	a, b := open(t, c, "a", 0, 0), open(t, c, "b", 0, 0)
	c.Expect(wasi.ESUCCESS, p1("fd_renumber"), a, b)
	if got := read(t, c, b, 10); got != "A" {
		t.Errorf("renumbered: %q", got)
	}
	c.Expect(wasi.EBADF, p1("fd_close"), a)
	c.Expect(wasi.EBADF, p1("fd_renumber"), b, a)
	c.Expect(wasi.EBADF, p1("fd_renumber"), a, b)
	c.Expect(wasi.ESUCCESS, p1("fd_renumber"), b, b)
	c.Expect(wasi.ESUCCESS, p1("fd_renumber"), b, root)
	c.Expect(wasi.EBADF, p1("fd_prestat_get"), root, atStruct)
	c.Expect(wasi.EBADF, p1("fd_renumber"), root, 1<<32-1)
}
