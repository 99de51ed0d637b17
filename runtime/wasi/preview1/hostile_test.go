// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

const memorySize = wasitest.MemoryPages << 16

// TestPointersOutsideTheMemoryAreEFAULT calls every function that takes pointers with one of them
// outside, just past the end, or wrapping around, and everything else in order.
func TestPointersOutsideTheMemoryAreEFAULT(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "x")
	fd := open(t, c, "f", 0, 0)
	for name, args := range map[string][]uint64{
		"args_sizes_get": {atResult, atResult2}, "environ_sizes_get": {atResult, atResult2},
		"clock_res_get": {1, atResult}, "clock_time_get": {1, 0, atResult},
		"fd_fdstat_get": {fd, atStruct}, "fd_filestat_get": {fd, atStruct},
		"fd_pread": {fd, atIovs, 1, 0, atResult}, "fd_pwrite": {fd, atIovs, 1, 0, atResult},
		"fd_read": {fd, atIovs, 1, atResult}, "fd_write": {fd, atIovs, 1, atResult},
		"fd_prestat_get": {root, atStruct}, "fd_prestat_dir_name": {root, atData, 1},
		"fd_readdir": {root, atData, 100, 0, atResult},
		"fd_seek":    {fd, 0, 0, atResult}, "fd_tell": {fd, atResult},
		"path_create_directory":   {root, atPath2, 1},
		"path_filestat_get":       {root, 0, atPath, 1, atStruct},
		"path_filestat_set_times": {root, 0, atPath, 1, 0, 0, 0},
		"path_link":               {root, 0, atPath, 1, root, atPath2, 1},
		"path_open":               {root, 0, atPath, 1, 0, 2, 0, 0, atResult},
		"path_readlink":           {root, atPath, 1, atData, 10, atResult},
		"path_remove_directory":   {root, atPath, 1},
		"path_rename":             {root, atPath, 1, root, atPath2, 1},
		"path_symlink":            {atPath, 1, root, atPath2, 1},
		"path_unlink_file":        {root, atPath2, 1},
		"poll_oneoff":             {atStruct, atEvents, 1, atResult},
		"random_get":              {atData, 8},
		"sock_recv":               {fd, atIovs, 1, 0, atResult, atResult2},
	} {
		for i, arg := range args {
			if arg < atResult {
				continue // no pointer
			}
			for _, bad := range []uint64{memorySize, memorySize - 0, 1<<32 - 1, 1<<32 - 4, outside} {
				c.Put(atPath, []byte("f"))
				c.Put(atPath2, []byte("g"))
				c.PutVectors(atIovs, [2]uint32{atData, 8})
				hostile := append([]uint64(nil), args...)
				hostile[i] = bad
				c.Expect(wasi.EFAULT, p1(name), hostile...)
			}
		}
	}
	if got := readFile(t, dir, "f"); got != "x" {
		t.Errorf("a call with a bad result pointer had an effect: %q", got)
	}
}

func TestCountsAndLengthsAreBounded(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "x")
	fd := open(t, c, "f", 0, 0)
	c.PutVectors(atIovs, [2]uint32{atData, 8}, [2]uint32{memorySize - 4, 5}, [2]uint32{1<<32 - 1, 1<<32 - 1})
	for _, fn := range []string{"fd_read", "fd_write"} {
		c.Expect(wasi.EFAULT, p1(fn), fd, atIovs, 2, atResult)
		c.Expect(wasi.EFAULT, p1(fn), fd, atIovs+16, 1, atResult)
		c.Expect(wasi.EINVAL, p1(fn), fd, atIovs, wasi.MaxVectors+1, atResult)
		c.Expect(wasi.EINVAL, p1(fn), fd, atIovs, 1<<32-1, atResult)
		c.Expect(wasi.EFAULT, p1(fn), fd, memorySize-8, 2, atResult)
		c.Expect(wasi.ESUCCESS, p1(fn), fd, 0, 0, atResult)
	}
	c.Expect(wasi.EFAULT, p1("random_get"), 0, 1<<32-1)
	c.Expect(wasi.EFAULT, p1("fd_readdir"), root, atData, 1<<32-1, 0, atResult)
	c.Expect(wasi.ENAMETOOLONG, p1("path_create_directory"), root, 0, wasi.MaxPath)
	c.Expect(wasi.EINVAL, p1("path_create_directory"), root, atData, wasi.MaxPath-1) // NUL bytes
	c.Expect(wasi.EFAULT, p1("poll_oneoff"), 0, 0, memorySize/48+1, atResult)
	for _, bad := range []uint64{5, 1 << 16, 1 << 31, 1<<32 - 1} {
		for name, params := range signatures {
			if len(params) > 0 && params[0] == 'i' && (name[:3] == "fd_" || name[:5] == "sock_") {
				args := make([]uint64, len(params))
				args[0] = bad
				if errno, _ := c.Call(p1(name), args...); errno == wasi.ESUCCESS {
					t.Errorf("%s on descriptor %d succeeded", name, bad)
				}
			}
		}
	}
}

func TestDescriptorsAreNumberedLowestFirst(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "x")
	var fds []uint64
	for range 200 {
		fds = append(fds, open(t, c, "f", 0, 0))
	}
	for i, fd := range fds {
		if fd != uint64(4+i) {
			t.Fatalf("open number %d is descriptor %d", i, fd)
		}
	}
	for _, i := range []int{150, 7, 60} {
		c.Expect(wasi.ESUCCESS, p1("fd_close"), fds[i])
	}
	for _, i := range []int{7, 60, 150} {
		if fd := open(t, c, "f", 0, 0); fd != fds[i] {
			t.Errorf("reopened as %d, want %d", fd, fds[i])
		}
	}
}

func TestAGuestWithoutMemoryHasNoPointers(t *testing.T) {
	c := wasitest.NewCallerWithoutMemory(t, imports(), instantiate(wasitest.New(t, wasi.Options{})))
	c.Expect(wasi.EFAULT, p1("args_sizes_get"), 0, 4)
	c.Expect(wasi.EFAULT, p1("fd_write"), 1, 0, 0, 0)
	c.Expect(wasi.ESUCCESS, p1("fd_close"), 1)
}
