// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// Where the tests put things in the guest's memory.
const (
	atResult  = 0x40
	atResult2 = 0x60
	atIovs    = 0x100
	atPath    = 0x400
	atPath2   = 0x800
	atStruct  = 0xc00
	atData    = 0x1000

	outside = 1 << 30 // beyond any test's memory

	root = 3 // the preopen
)

const allRights = uint64(wasi.RightsAll)

// inDir is a guest whose preopen is a fresh directory.
func inDir(tb testing.TB) (*wasitest.Caller, string) {
	tb.Helper()
	dir := tb.TempDir()
	c, _ := caller(tb, wasi.Options{Preopens: wasitest.Dir(tb, dir)})
	return c, dir
}

func writeFile(tb testing.TB, dir, name, content string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func readFile(tb testing.TB, dir, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// path puts a path into memory and returns it as arguments: pointer and length.
func path(c *wasitest.Caller, at uint32, p string) (ptr, n uint64) {
	return c.Put(at, []byte(p)), uint64(len(p))
}

// openWith calls path_open on the preopen.
func openWith(c *wasitest.Caller, p string, lookup, oflags, base, flags uint64) (fd uint64, errno wasi.Errno, err error) {
	ptr, n := path(c, atPath, p)
	errno, err = c.Call(p1("path_open"), root, lookup, ptr, n, oflags, base, allRights, flags, atResult)
	return uint64(c.U32(atResult)), errno, err
}

// open opens a path with all rights a file has.
func open(tb testing.TB, c *wasitest.Caller, p string, oflags, flags uint64) uint64 {
	tb.Helper()
	fd, errno, err := openWith(c, p, 1, oflags, allRights, flags)
	if errno != wasi.ESUCCESS || err != nil {
		tb.Fatalf("path_open %q: %v, %v", p, errno, err)
	}
	return fd
}

// openDir opens a directory with all rights a directory has.
func openDir(tb testing.TB, c *wasitest.Caller, p string) uint64 {
	tb.Helper()
	const rights = allRights &^ uint64(wasi.RightFDWrite)
	fd, errno, err := openWith(c, p, 1, uint64(wasi.OpenDirectory), rights, 0)
	if errno != wasi.ESUCCESS || err != nil {
		tb.Fatalf("path_open %q: %v, %v", p, errno, err)
	}
	return fd
}

// write writes a string with fd_write and returns how much was written.
func write(tb testing.TB, c *wasitest.Caller, fd uint64, s string) int {
	tb.Helper()
	c.Put(atData, []byte(s))
	iovs := c.PutVectors(atIovs, [2]uint32{atData, uint32(len(s))})
	c.Expect(wasi.ESUCCESS, p1("fd_write"), fd, iovs, 1, atResult)
	return int(c.U32(atResult))
}

// read reads up to n bytes with fd_read.
func read(tb testing.TB, c *wasitest.Caller, fd uint64, n int) string {
	tb.Helper()
	iovs := c.PutVectors(atIovs, [2]uint32{atData, uint32(n)})
	c.Expect(wasi.ESUCCESS, p1("fd_read"), fd, iovs, 1, atResult)
	return string(c.Mem[atData : atData+c.U32(atResult)])
}
