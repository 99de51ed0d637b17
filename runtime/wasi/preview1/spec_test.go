// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
)

// signatures are the functions of wasi_snapshot_preview1.witx as core wasm sees them: a string is a
// pointer and a length, a result but the errno a pointer.
var signatures = map[string]string{
	"args_get": "ii", "args_sizes_get": "ii", "environ_get": "ii", "environ_sizes_get": "ii",
	"clock_res_get": "ii", "clock_time_get": "iIi",
	"fd_advise": "iIIi", "fd_allocate": "iII", "fd_close": "i", "fd_datasync": "i",
	"fd_fdstat_get": "ii", "fd_fdstat_set_flags": "ii", "fd_fdstat_set_rights": "iII",
	"fd_filestat_get": "ii", "fd_filestat_set_size": "iI", "fd_filestat_set_times": "iIIi",
	"fd_pread": "iiiIi", "fd_prestat_get": "ii", "fd_prestat_dir_name": "iii", "fd_pwrite": "iiiIi",
	"fd_read": "iiii", "fd_readdir": "iiiIi", "fd_renumber": "ii", "fd_seek": "iIii", "fd_sync": "i",
	"fd_tell": "ii", "fd_write": "iiii",
	"path_create_directory": "iii", "path_filestat_get": "iiiii", "path_filestat_set_times": "iiiiIIi",
	"path_link": "iiiiiii", "path_open": "iiiiiIIii", "path_readlink": "iiiiii",
	"path_remove_directory": "iii", "path_rename": "iiiiii", "path_symlink": "iiiii",
	"path_unlink_file": "iii",
	"poll_oneoff":      "iiii", "proc_exit": "i", "proc_raise": "i", "sched_yield": "", "random_get": "ii",
	"sock_accept": "iii", "sock_recv": "iiiiii", "sock_send": "iiiii", "sock_shutdown": "ii",
}

// imports are all functions of both snapshots.
func imports() []wasitest.Import {
	var list []wasitest.Import
	for _, module := range []string{preview1.ModuleName, preview1.UnstableModuleName} {
		for name, params := range signatures {
			if module == preview1.UnstableModuleName && name == "sock_accept" {
				continue // not yet there
			}
			list = append(list, wasitest.Import{
				Module: module, Name: name, Params: params, NoResult: name == "proc_exit",
			})
		}
	}
	slices.SortFunc(list, func(a, b wasitest.Import) int {
		if a.Module+a.Name < b.Module+b.Name {
			return -1
		}
		return 1
	})
	return list
}

// p1 names a function of the released snapshot, unstable one of that before it.
func p1(name string) string       { return preview1.ModuleName + "." + name }
func unstable(name string) string { return preview1.UnstableModuleName + "." + name }

// caller makes a guest with these options that calls what the test says.
func caller(tb testing.TB, o wasi.Options) (*wasitest.Caller, *wasi.System) {
	tb.Helper()
	s := wasitest.New(tb, o)
	return wasitest.NewCaller(tb, imports(), instantiate(s)), s
}

func instantiate(s *wasi.System) func(context.Context, wazero.Runtime) error {
	return func(ctx context.Context, r wazero.Runtime) error { return preview1.Instantiate(ctx, r, s) }
}

func TestEveryFunctionIsProvidedWithItsSignature(t *testing.T) {
	caller(t, wasi.Options{}) // instantiation checks the signatures
	for _, module := range []string{preview1.ModuleName, preview1.UnstableModuleName} {
		var want []string
		for _, i := range imports() {
			if i.Module == module {
				want = append(want, i.Name)
			}
		}
		if got := preview1.Functions(module); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", module, got, want)
		}
	}
	if got := preview1.Functions("env"); len(got) != 0 {
		t.Errorf("env: %v, want none", got)
	}
}
