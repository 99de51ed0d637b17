// SPDX-License-Identifier: Apache-2.0

package preview1

import (
	"context"
	"slices"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// The names guests import the functions under.
const (
	// ModuleName is preview 1 as it was released.
	ModuleName = "wasi_snapshot_preview1"
	// UnstableModuleName is the snapshot before it (2019), which old modules import.
	UnstableModuleName = "wasi_unstable"
)

// Instantiate registers both host modules with the runtime, for one guest. extensions are functions
// to add to wasi_snapshot_preview1, or to put in place of its own (see package wasmedge).
func Instantiate(ctx context.Context, r wazero.Runtime, s *wasi.System, extensions ...guest.Func) error {
	return instantiate(ctx, r, s, func(string, string) bool { return true }, extensions)
}

// InstantiateFor is Instantiate for a guest that imports these functions, and registers no others:
// each that is costs a start a stub of machine code.
func InstantiateFor[F guest.Imported](ctx context.Context, r wazero.Runtime, imported []F, s *wasi.System, extensions ...guest.Func) error {
	wanted := map[[2]string]bool{}
	for _, f := range imported {
		module, name, _ := f.Import()
		wanted[[2]string{module, name}] = true
	}
	return instantiate(ctx, r, s, func(module, name string) bool { return wanted[[2]string{module, name}] }, extensions)
}

func instantiate(ctx context.Context, r wazero.Runtime, s *wasi.System, wants func(module, name string) bool, extensions []guest.Func) error {
	for module, funcs := range map[string][]guest.Func{
		ModuleName:         append(snapshot(released), extensions...),
		UnstableModuleName: snapshot(unstable),
	} {
		funcs = slices.DeleteFunc(funcs, func(f guest.Func) bool { return !wants(module, f.Name) })
		if len(funcs) == 0 {
			continue
		}
		if err := guest.Export(ctx, r, module, s, funcs); err != nil {
			return err
		}
	}
	return nil
}

// Functions are the names of the functions a host module provides, sorted; none for a module this
// package does not know. With them a missing import can be named before anything is started.
func Functions(module string) []string {
	var funcs []guest.Func
	switch module {
	case ModuleName:
		funcs = snapshot(released)
	case UnstableModuleName:
		funcs = snapshot(unstable)
	}
	names := make([]string, len(funcs))
	for i, f := range funcs {
		names[i] = f.Name
	}
	slices.Sort(names)
	return names
}

// snapshot is the list of functions with the layouts of one of the two snapshots.
func snapshot(l *layout) []guest.Func {
	funcs := []guest.Func{
		fn("args_get", "ii", argsGet),
		fn("args_sizes_get", "ii", argsSizesGet),
		fn("environ_get", "ii", environGet),
		fn("environ_sizes_get", "ii", environSizesGet),
		fn("clock_res_get", "ii", clockResGet),
		fn("clock_time_get", "iIi", clockTimeGet),
		fn("fd_advise", "iIIi", fdAdvise),
		fn("fd_allocate", "iII", fdAllocate),
		fn("fd_close", "i", fdClose),
		fn("fd_datasync", "i", fdDatasync),
		fn("fd_fdstat_get", "ii", fdFdstatGet),
		fn("fd_fdstat_set_flags", "ii", fdFdstatSetFlags),
		fn("fd_fdstat_set_rights", "iII", fdFdstatSetRights),
		fn("fd_filestat_get", "ii", l.fdFilestatGet),
		fn("fd_filestat_set_size", "iI", fdFilestatSetSize),
		fn("fd_filestat_set_times", "iIIi", fdFilestatSetTimes),
		fn("fd_pread", "iiiIi", fdPread),
		fn("fd_prestat_get", "ii", fdPrestatGet),
		fn("fd_prestat_dir_name", "iii", fdPrestatDirName),
		fn("fd_pwrite", "iiiIi", fdPwrite),
		fn("fd_read", "iiii", fdRead),
		fn("fd_readdir", "iiiIi", fdReaddir),
		fn("fd_renumber", "ii", fdRenumber),
		fn("fd_seek", "iIii", l.fdSeek),
		fn("fd_sync", "i", fdSync),
		fn("fd_tell", "ii", fdTell),
		fn("fd_write", "iiii", fdWrite),
		fn("path_create_directory", "iii", pathCreateDirectory),
		fn("path_filestat_get", "iiiii", l.pathFilestatGet),
		fn("path_filestat_set_times", "iiiiIIi", pathFilestatSetTimes),
		fn("path_link", "iiiiiii", pathLink),
		fn("path_open", "iiiiiIIii", pathOpen),
		fn("path_readlink", "iiiiii", pathReadlink),
		fn("path_remove_directory", "iii", pathRemoveDirectory),
		fn("path_rename", "iiiiii", pathRename),
		fn("path_symlink", "iiiii", pathSymlink),
		fn("path_unlink_file", "iii", pathUnlinkFile),
		fn("poll_oneoff", "iiii", l.pollOneoff),
		fn("proc_raise", "i", procRaise),
		fn("random_get", "ii", randomGet),
		fn("sched_yield", "", schedYield),
		fn("sock_recv", "iiiiii", sockRecv),
		fn("sock_send", "iiiii", sockSend),
		fn("sock_shutdown", "ii", sockShutdown),
		{Name: "proc_exit", Params: guest.Types("i"), Call: procExit, NoResult: true},
	}
	if l == released {
		funcs = append(funcs, fn("sock_accept", "iii", sockAccept))
	}
	return funcs
}

func fn(name, params string, call func(guest.Call, []uint64) wasi.Errno) guest.Func {
	return guest.Func{Name: name, Params: guest.Types(params), Call: call}
}
