// SPDX-License-Identifier: Apache-2.0

// Package calls counts the host functions that a guest calls, where its daemon
// can read them without asking: in a file that both have open.
//
// The worker maps the file and adds to plain numbers in it, so that a call costs
// one addition; the daemon reads it whenever it likes, beside a guest that
// computes and after one that was killed. The file is an array of 64-bit numbers
// in the machine's order: first [signature], then one for each of [Names]. It says
// nothing a daemon relies on: a worker can write into it what it wants.
package calls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Names are the functions that are counted, sorted: those of preview 1, of the
// sockets extension, and of package httpcall (with http_ before their names). The two snapshots of preview 1 are counted together, and so
// are two versions of a function.
var Names = []string{
	"args_get", "args_sizes_get", "clock_res_get", "clock_time_get", "environ_get", "environ_sizes_get", "fd_advise",
	"fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_fdstat_set_rights",
	"fd_filestat_get", "fd_filestat_set_size", "fd_filestat_set_times", "fd_pread", "fd_prestat_dir_name",
	"fd_prestat_get", "fd_pwrite", "fd_read", "fd_readdir", "fd_renumber", "fd_seek", "fd_sync", "fd_tell", "fd_write",
	"http_body_read", "http_close", "http_header_get", "http_headers_get_all", "http_req",
	"path_create_directory", "path_filestat_get", "path_filestat_set_times", "path_link", "path_open", "path_readlink",
	"path_remove_directory", "path_rename", "path_symlink", "path_unlink_file", "poll_oneoff", "proc_exit", "proc_raise",
	"random_get", "sched_yield", "sock_accept", "sock_bind", "sock_connect", "sock_getaddrinfo", "sock_getlocaladdr",
	"sock_getpeeraddr", "sock_getsockopt", "sock_listen", "sock_open", "sock_recv", "sock_recv_from", "sock_send",
	"sock_send_to", "sock_setsockopt", "sock_shutdown",
}

const (
	// Size is the file's length: a page, which is what a mapping takes anyway.
	Size = 4096
	word = 8
	// most is what a counter is read as at most: beyond it a sum could wrap.
	most = 1 << 53
)

// signature tells files of one list of names from those of another.
var signature = func() uint64 {
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, strings.Join(Names, " ")) // a hash takes everything
	return sum.Sum64()
}()

// counters is the mapped file; nil where nobody counts.
var counters []uint64

// Map makes the file the process's counters, for the functions that are bound
// from then on. It is called once, before a guest is loaded; the file may be
// closed after it.
func Map(file *os.File) error {
	page, err := unix.Mmap(int(file.Fd()), 0, Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("counters: %w", err)
	}
	counters = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(page))), Size/word) // a page is aligned
	counters[0] = signature
	return nil
}

// Counter is one function's number.
type Counter struct{ number *uint64 }

// Of returns the counter of a function; where nobody counts, or the function is
// not one of Names, it counts for nobody.
func Of(function string) Counter {
	i, known := slices.BinarySearch(Names, strings.TrimSuffix(function, "_v2"))
	if counters == nil || !known {
		return Counter{new(uint64)}
	}
	return Counter{&counters[1+i]}
}

// Add counts a call of the one thread that makes calls in this process. The
// daemon's reads beside it see the number before or after.
func (c Counter) Add() { *c.number++ }

// AddShared counts a call where several threads make calls.
func (c Counter) AddShared() { atomic.AddUint64(c.number, 1) }

// ErrForeign is a file that was not written by this release's workers, or not yet.
var ErrForeign = errors.New("counters of another release")

// Read returns what a file says: a number for each of Names.
func Read(file io.ReaderAt) ([]uint64, error) {
	raw := make([]byte, (1+len(Names))*word)
	if _, err := file.ReadAt(raw, 0); err != nil {
		return nil, fmt.Errorf("counters: %w", err)
	}
	if binary.NativeEndian.Uint64(raw) != signature {
		return nil, ErrForeign
	}
	values := make([]uint64, len(Names))
	for i := range values {
		values[i] = min(binary.NativeEndian.Uint64(raw[(1+i)*word:]), most)
	}
	return values, nil
}
