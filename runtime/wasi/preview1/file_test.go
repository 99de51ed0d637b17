// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/runtime/wasi"
)

const (
	create   = uint64(wasi.OpenCreate)
	truncate = uint64(wasi.OpenTruncate)
)

func TestReadAndWriteMoveThePosition(t *testing.T) {
	c, dir := inDir(t)
	fd := open(t, c, "f", create, 0)
	if n := write(t, c, fd, "hello world"); n != 11 {
		t.Fatalf("fd_write wrote %d bytes, want 11", n)
	}
	c.Expect(wasi.ESUCCESS, p1("fd_tell"), fd, atResult)
	if pos := c.U64(atResult); pos != 11 {
		t.Fatalf("fd_tell after the write: %d, want 11", pos)
	}
	c.Expect(wasi.ESUCCESS, p1("fd_seek"), fd, 6, 0, atResult)
	if got := read(t, c, fd, 100); got != "world" {
		t.Fatalf("fd_read: %q, want %q", got, "world")
	}
	if got := read(t, c, fd, 100); got != "" {
		t.Fatalf("fd_read at the end: %q, want nothing", got)
	}
	if got := readFile(t, dir, "f"); got != "hello world" {
		t.Fatalf("file: %q", got)
	}
}

func TestVectorsAreFilledInOrder(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "abcdef")
	fd := open(t, c, "f", 0, 0)
	c.PutVectors(atIovs, [2]uint32{atData + 10, 2}, [2]uint32{0, 0}, [2]uint32{atData, 3})
	c.Expect(wasi.ESUCCESS, p1("fd_read"), fd, atIovs, 3, atResult)
	if n := c.U32(atResult); n != 5 || string(c.Mem[atData:atData+3]) != "cde" || string(c.Mem[atData+10:atData+12]) != "ab" {
		t.Fatalf("read %d bytes: %q and %q", n, c.Mem[atData+10:atData+12], c.Mem[atData:atData+3])
	}
	c.Expect(wasi.ESUCCESS, p1("fd_pwrite"), fd, atIovs, 3, 1, atResult)
	if got := readFile(t, dir, "f"); got != "aabcde" {
		t.Fatalf("after fd_pwrite: %q, want %q", got, "aabcde")
	}
	c.Expect(wasi.ESUCCESS, p1("fd_tell"), fd, atResult)
	if pos := c.U64(atResult); pos != 5 {
		t.Fatalf("fd_pwrite moved the position to %d", pos)
	}
	c.Expect(wasi.ESUCCESS, p1("fd_pread"), fd, atIovs, 3, 2, atResult)
	if got := string(c.Mem[atData : atData+2]); c.U32(atResult) != 4 || got != "de" {
		t.Fatalf("fd_pread: %d bytes, %q", c.U32(atResult), got)
	}
	c.Expect(wasi.EINVAL, p1("fd_pread"), fd, atIovs, 3, 1<<63, atResult)
}

func TestAppendWritesAtTheEndUntilTurnedOff(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "one")
	fd := open(t, c, "f", 0, uint64(wasi.FlagAppend))
	write(t, c, fd, "two")
	c.Expect(wasi.ESUCCESS, p1("fd_seek"), fd, 0, 0, atResult)
	write(t, c, fd, "three")
	c.Expect(wasi.ESUCCESS, p1("fd_fdstat_set_flags"), fd, 0)
	c.Expect(wasi.ESUCCESS, p1("fd_seek"), fd, 0, 0, atResult)
	write(t, c, fd, "1")
	if got := readFile(t, dir, "f"); got != "1netwothree" {
		t.Fatalf("file: %q", got)
	}
	c.Expect(wasi.ENOTSUP, p1("fd_fdstat_set_flags"), fd, uint64(wasi.FlagSync))
	c.Expect(wasi.EINVAL, p1("fd_fdstat_set_flags"), fd, 0x20)
	c.Expect(wasi.EINVAL, p1("fd_fdstat_set_flags"), fd, 0x10000)
}

func TestSeekCountsFromWhereItSays(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "0123456789")
	fd := open(t, c, "f", 0, 0)
	back := func(n int64) uint64 { return uint64(-n) }
	for _, s := range []struct{ offset, whence, want uint64 }{
		{4, 0, 4}, {3, 1, 7}, {back(2), 1, 5}, {back(1), 2, 9}, {100, 2, 110},
	} {
		c.Expect(wasi.ESUCCESS, p1("fd_seek"), fd, s.offset, s.whence, atResult)
		if got := c.U64(atResult); got != s.want {
			t.Errorf("fd_seek(%d, %d): %d, want %d", int64(s.offset), s.whence, got, s.want)
		}
	}
	c.Expect(wasi.EINVAL, p1("fd_seek"), fd, back(1), 0, atResult)
	c.Expect(wasi.EINVAL, p1("fd_seek"), fd, 0, 3, atResult)
	c.Expect(wasi.ENOTCAPABLE, p1("fd_seek"), root, 0, 0, atResult)
	// The older snapshot numbers whence otherwise: current, end, start.
	c.Expect(wasi.ESUCCESS, unstable("fd_seek"), fd, 4, 2, atResult)
	c.Expect(wasi.ESUCCESS, unstable("fd_seek"), fd, 1, 0, atResult)
	if got := c.U64(atResult); got != 5 {
		t.Errorf("wasi_unstable fd_seek: %d, want 5", got)
	}
	c.Expect(wasi.ESUCCESS, unstable("fd_seek"), fd, 0, 1, atResult)
	if got := c.U64(atResult); got != 10 {
		t.Errorf("wasi_unstable fd_seek to the end: %d, want 10", got)
	}
}

func TestFilestatHasTheLayoutOfItsSnapshot(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "12345")
	if err := os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "g")); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1700000000, 123456789)
	if err := os.Chtimes(filepath.Join(dir, "f"), when.Add(time.Hour), when); err != nil {
		t.Fatal(err)
	}
	fd := open(t, c, "f", 0, 0)
	for _, s := range []struct {
		name                string
		nlink, sizeAt, wide uint64
	}{{p1("fd_filestat_get"), 24, 32, 8}, {unstable("fd_filestat_get"), 20, 24, 4}} {
		clear(c.Mem[atStruct : atStruct+64])
		c.Expect(wasi.ESUCCESS, s.name, fd, atStruct)
		nlink := uint64(c.U32(atStruct + s.nlink))
		if typ := c.Mem[atStruct+16]; typ != byte(wasi.FileRegular) || nlink != 2 {
			t.Errorf("%s: type %d, nlink %d", s.name, typ, nlink)
		}
		size, mtim := c.U64(atStruct+s.sizeAt), c.U64(atStruct+s.sizeAt+16)
		if size != 5 || mtim != uint64(when.UnixNano()) {
			t.Errorf("%s: size %d, mtim %d", s.name, size, mtim)
		}
	}
}

func TestSetTimes(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "")
	if err := os.Symlink("f", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	fd := open(t, c, "f", 0, 0)
	mtime := func(name string) int64 {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return st.ModTime().UnixNano()
	}
	c.Expect(wasi.ESUCCESS, p1("fd_filestat_set_times"), fd, 0, 1e18+5, uint64(wasi.SetMtim))
	if got := mtime("f"); got != 1e18+5 {
		t.Errorf("fd_filestat_set_times: %d", got)
	}
	ptr, n := path(c, atPath, "link")
	before := mtime("link")
	c.Expect(wasi.ESUCCESS, p1("path_filestat_set_times"), root, 1, ptr, n, 0, 7e17, uint64(wasi.SetMtim))
	if f, link := mtime("f"), mtime("link"); f != 7e17 || link != before {
		t.Errorf("following: file %d, link %d (was %d)", f, link, before)
	}
	c.Expect(wasi.ESUCCESS, p1("path_filestat_set_times"), root, 0, ptr, n, 0, 6e17, uint64(wasi.SetMtim))
	if f, link := mtime("f"), mtime("link"); f != 7e17 || link != 6e17 {
		t.Errorf("not following: file %d, link %d", f, link)
	}
	c.Expect(wasi.ESUCCESS, p1("fd_filestat_set_times"), fd, 0, 0, uint64(wasi.SetMtimNow|wasi.SetAtimNow))
	if age := time.Since(time.Unix(0, mtime("f"))); age > time.Minute || age < -time.Minute {
		t.Errorf("now: %v ago", age)
	}
	both := uint64(wasi.SetMtim | wasi.SetMtimNow)
	c.Expect(wasi.EINVAL, p1("fd_filestat_set_times"), fd, 0, 0, both)
	c.Expect(wasi.EINVAL, p1("path_filestat_set_times"), root, 0, ptr, n, 0, 0, both)
	c.Expect(wasi.EINVAL, p1("fd_filestat_set_times"), fd, 0, 0, 0x10)
	c.Expect(wasi.EINVAL, p1("path_filestat_set_times"), root, 2, ptr, n, 0, 0, 0)
}

func TestSizeAllocateAdviseSync(t *testing.T) {
	c, dir := inDir(t)
	fd := open(t, c, "f", create, 0)
	size := func(want int) {
		t.Helper()
		if got := len(readFile(t, dir, "f")); got != want {
			t.Fatalf("size %d, want %d", got, want)
		}
	}
	c.Expect(wasi.ESUCCESS, p1("fd_filestat_set_size"), fd, 100)
	size(100)
	c.Expect(wasi.ESUCCESS, p1("fd_filestat_set_size"), fd, 10)
	size(10)
	c.Expect(wasi.ESUCCESS, p1("fd_allocate"), fd, 5, 20)
	size(25)
	c.Expect(wasi.ESUCCESS, p1("fd_allocate"), fd, 0, 5)
	size(25)
	c.Expect(wasi.EFBIG, p1("fd_allocate"), fd, 1<<63-1, 2)
	c.Expect(wasi.EINVAL, p1("fd_filestat_set_size"), fd, 1<<63)
	for advice := range uint64(6) {
		c.Expect(wasi.ESUCCESS, p1("fd_advise"), fd, 0, 10, advice)
		c.Expect(wasi.ESUCCESS, p1("fd_advise"), root, 0, 0, advice)
	}
	c.Expect(wasi.EINVAL, p1("fd_advise"), fd, 0, 10, 6)
	c.Expect(wasi.EINVAL, p1("fd_advise"), fd, 0, 10, 256)
	c.Expect(wasi.ESUCCESS, p1("fd_sync"), fd)
	c.Expect(wasi.ESUCCESS, p1("fd_datasync"), fd)
	c.Expect(wasi.ESUCCESS, p1("fd_sync"), root)
}

func TestRightsOnlyShrink(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "data")
	fd, errno, _ := openWith(c, "f", 0, 0, uint64(wasi.RightFDRead|wasi.RightFDSeek), 0)
	if errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	c.PutVectors(atIovs, [2]uint32{atData, 1})
	c.Expect(wasi.ENOTCAPABLE, p1("fd_write"), fd, atIovs, 1, atResult)
	c.Expect(wasi.ENOTCAPABLE, p1("fd_filestat_get"), fd, atStruct)
	c.Expect(wasi.ESUCCESS, p1("fd_read"), fd, atIovs, 1, atResult)
	c.Expect(wasi.ENOTCAPABLE, p1("fd_fdstat_set_rights"), fd, uint64(wasi.RightFDRead|wasi.RightFDWrite), 0)
	c.Expect(wasi.ESUCCESS, p1("fd_fdstat_set_rights"), fd, 0, 0)
	c.Expect(wasi.ENOTCAPABLE, p1("fd_read"), fd, atIovs, 1, atResult)
	c.Expect(wasi.ESUCCESS, p1("fd_fdstat_get"), fd, atStruct)
	if base := c.U64(atStruct + 8); base != 0 {
		t.Errorf("base rights %x after giving all away", base)
	}
	// A directory hands on what it inherits, no more.
	keep := uint64(wasi.RightPathOpen | wasi.RightFDReaddir)
	c.Expect(wasi.ESUCCESS, p1("fd_fdstat_set_rights"), root, keep, uint64(wasi.RightFDRead))
	if _, errno, _ := openWith(c, "f", 0, 0, uint64(wasi.RightFDWrite), 0); errno != wasi.ENOTCAPABLE {
		t.Errorf("open for writing: %v, want %v", errno, wasi.ENOTCAPABLE)
	}
	if _, errno, _ := openWith(c, "g", 0, create, uint64(wasi.RightFDRead), 0); errno != wasi.ENOTCAPABLE {
		t.Errorf("create: %v, want %v", errno, wasi.ENOTCAPABLE)
	}
}

func TestOpenFlags(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "data")
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		name, path                   string
		lookup, oflags, rights, flag uint64
		want                         wasi.Errno
	}{
		{"missing", "none", 0, 0, 2, 0, wasi.ENOENT},
		{"exclusive on a file that is there", "f", 0, create | uint64(wasi.OpenExclusive), 2, 0, wasi.EEXIST},
		{"exclusive alone", "f", 0, uint64(wasi.OpenExclusive), 2, 0, wasi.ESUCCESS},
		{"file as directory", "f", 0, uint64(wasi.OpenDirectory), 2, 0, wasi.ENOTDIR},
		{"create a directory", "e", 0, create | uint64(wasi.OpenDirectory), 2, 0, wasi.EINVAL},
		{"directory for writing", "d", 0, 0, uint64(wasi.RightFDWrite), 0, wasi.EISDIR},
		{"directory non-blocking", "d", 0, 0, 0, uint64(wasi.FlagNonblock), wasi.ESUCCESS},
		{"path below a file", "f/x", 0, 0, 2, 0, wasi.ENOTDIR},
		{"trailing slash on a file", "f/", 0, 0, 2, 0, wasi.ENOTDIR},
		{"empty path", "", 0, 0, 2, 0, wasi.ENOENT},
		{"absolute path", "/f", 0, 0, 2, 0, wasi.EPERM},
		{"above the root", "d/../../f", 0, 0, 2, 0, wasi.EPERM},
		{"up and down again", "d/../f", 0, 0, 2, 0, wasi.ESUCCESS},
		{"NUL byte", "f\x00", 0, 0, 2, 0, wasi.EINVAL},
		{"too long", strings.Repeat("x/", 2048), 0, 0, 2, 0, wasi.ENAMETOOLONG},
		{"component too long", strings.Repeat("x", 256), 0, 0, 2, 0, wasi.ENAMETOOLONG},
		{"unknown lookup flag", "f", 2, 0, 2, 0, wasi.EINVAL},
		{"unknown open flag", "f", 0, 0x10, 2, 0, wasi.EINVAL},
		{"open flags beyond 16 bits", "f", 0, 1 << 16, 2, 0, wasi.EINVAL},
		{"unknown descriptor flag", "f", 0, 0, 2, 0x20, wasi.EINVAL},
		{"sync flags", "f", 0, 0, 66, uint64(wasi.FlagSync | wasi.FlagDSync | wasi.FlagRSync), wasi.ESUCCESS},
	} {
		fd, errno, err := openWith(c, s.path, s.lookup, s.oflags, s.rights, s.flag)
		if errno != s.want || err != nil {
			t.Errorf("%s: %v, %v, want %v", s.name, errno, err, s.want)
		}
		if errno == wasi.ESUCCESS {
			c.Expect(wasi.ESUCCESS, p1("fd_close"), fd)
		}
	}
	fd := open(t, c, "f", truncate, 0)
	if got := readFile(t, dir, "f"); got != "" {
		t.Errorf("after truncating: %q", got)
	}
	c.Expect(wasi.ESUCCESS, p1("fd_close"), fd)
	c.Expect(wasi.EBADF, p1("fd_close"), fd)
}
