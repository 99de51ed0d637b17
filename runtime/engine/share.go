// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"
)

// wazero reads a module's machine code from its cache into memory of the process's own.
// All that run a module are to hold its code once, and a start is not to read tens of
// megabytes: so what wazero finds in its cache is an entry that is whole but has no
// functions (hollow), and the code and where each function begins in it are two files
// that are mapped, and put in their places.
const (
	codeFile      = "code"      // the machine code
	functionsFile = "functions" // where each function begins in it: see writeFunctions
)

// native is what there is of a compiled module, within wazero.
type native struct {
	code    *[]byte // the machine code
	offsets *[]int  // where each function begins in it
	count   int     // of the module's own functions
	alone   bool    // whether the engine, which keeps its modules in the order of their addresses, has no other
}

// nativeOf finds the code of a compiled module. There is no interface for that: ok is
// false when wazero keeps it elsewhere than where it is looked for, which a test notices.
func nativeOf(compiled wazero.CompiledModule) (n native, ok bool) {
	defer func() {
		if recover() != nil {
			n, ok = native{}, false
		}
	}()
	// *compiledModule{module: *Module{ID, FunctionSection}, compiledEngine: *engine{compiledModules:
	// map[ID]*{*compiledModule{*executables{executable}, functionOffsets}}}}
	module := reflect.ValueOf(compiled).Elem()
	id := module.FieldByName("module").Elem().FieldByName("ID")
	engine := module.FieldByName("compiledEngine").Elem().Elem()
	found := engine.FieldByName("compiledModules").MapIndex(id).Elem()
	code, offsets := found.FieldByName("executable"), found.FieldByName("functionOffsets")
	if code.Type() != reflect.TypeFor[[]byte]() || offsets.Type() != reflect.TypeFor[[]int]() || code.Len() == 0 {
		return n, false
	}
	return native{
		(*[]byte)(code.Addr().UnsafePointer()), (*[]int)(offsets.Addr().UnsafePointer()),
		module.FieldByName("module").Elem().FieldByName("FunctionSection").Len(),
		engine.FieldByName("sortedCompiledModules").Len() == 1,
	}, true
}

// writeCode writes a compiled module's two files, and hollows out its cache entry. A
// module without code has none of that; nor has one whose code cannot be found: then
// each process reads a copy of its own.
func writeCode(dir string, compiled wazero.CompiledModule) error {
	n, ok := nativeOf(compiled)
	if !ok || len(*n.offsets) == 0 {
		return nil
	}
	entry, err := findEntry(dir)
	if err != nil {
		return err
	}
	if err := hollow(filepath.Join(dir, entry)); err != nil {
		return err
	}
	if err := writeFunctions(filepath.Join(dir, functionsFile), *n.offsets); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, codeFile), *n.code, 0o444)
}

// shareCode puts the mapped files in the place of what wazero has read from the hollow
// entry. It comes before the module is instantiated, and before any other is compiled.
func shareCode(dir string, compiled wazero.CompiledModule) error {
	code, err := mapCode(filepath.Join(dir, codeFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the entry is not hollow
	}
	if err != nil {
		return err
	}
	n, ok := nativeOf(compiled)
	if !ok || !n.alone {
		return errors.Join(errors.New("the engine keeps its code elsewhere"), unix.Munmap(code))
	}
	offsets, err := mapFunctions(filepath.Join(dir, functionsFile), n.count, len(code))
	if err != nil {
		return errors.Join(err, unix.Munmap(code))
	}
	// wazero unmaps its code by unix.Munmap, as it has mapped it.
	placeholder := *n.code
	*n.code, *n.offsets = code, offsets
	return unix.Munmap(placeholder)
}

// mapCode maps a file to be read and executed. Where it cannot be mapped like that, as
// from a file system mounted noexec, it is read into memory of the process's own.
func mapCode(name string) ([]byte, error) {
	f, size, err := openSized(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	code, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		code, err = readCode(f, size)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", codeFile, err)
	}
	return code, nil
}

func readCode(f *os.File, size int) ([]byte, error) {
	code, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(f, code)
	if err == nil {
		err = unix.Mprotect(code, unix.PROT_READ|unix.PROT_EXEC)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(code))
	}
	return code, nil
}

// openSized opens a file that has something in it.
func openSized(name string) (*os.File, int, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() == 0 {
		err = fmt.Errorf("%s: empty", filepath.Base(name))
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, int(st.Size()), nil
}

// writeFunctions writes where each function begins, as an int of the machine's own:
// compiled code is of no use on another.
func writeFunctions(name string, offsets []int) error {
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&offsets[0])), len(offsets)*int(unsafe.Sizeof(offsets[0])))
	return os.WriteFile(name, raw, 0o444)
}

// mapFunctions maps what writeFunctions has written of so many functions, whose code
// has so many bytes.
func mapFunctions(name string, count, code int) ([]int, error) {
	f, size, err := openSized(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const each = int(unsafe.Sizeof(int(0)))
	if size != count*each {
		return nil, fmt.Errorf("%s: %d bytes for %d functions", functionsFile, size, count)
	}
	raw, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", functionsFile, err)
	}
	offsets := unsafe.Slice((*int)(unsafe.Pointer(&raw[0])), count)
	for i, at := range offsets {
		if at < 0 || at >= code || i > 0 && at < offsets[i-1] {
			return nil, errors.Join(fmt.Errorf("%s: function %d begins at %d of %d", functionsFile, i, at, code), unix.Munmap(raw))
		}
	}
	return offsets, nil
}
