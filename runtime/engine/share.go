// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"
)

// codeFile holds the module's machine code alone, from the first byte of a
// page on, so that it can be mapped.
const codeFile = "code"

// machineCode returns the memory that holds a compiled module's machine code,
// nil when wazero keeps it elsewhere than where it is looked for. There is no
// interface for that; a test notices when a new version moves it.
func machineCode(compiled wazero.CompiledModule) (code []byte) {
	defer func() {
		if recover() != nil {
			code = nil
		}
	}()
	// *compiledModule{module: *Module{ID}, compiledEngine: *engine{compiledModules:
	// map[ID]*{*compiledModule{*executables{executable}}}}}
	module := reflect.ValueOf(compiled).Elem()
	id := module.FieldByName("module").Elem().FieldByName("ID")
	engine := module.FieldByName("compiledEngine").Elem().Elem()
	return engine.FieldByName("compiledModules").MapIndex(id).Elem().FieldByName("executable").Bytes()
}

// writeCode writes the machine code's file. Without one, each process has its
// own copy of the code, and that is all.
func writeCode(dir string, compiled wazero.CompiledModule) error {
	code := machineCode(compiled)
	if len(code) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, codeFile), code, 0o444)
}

// shareCode puts the file's pages in the place of the private copy that wazero
// made of the same bytes: all processes that run the module then hold its code
// once. It is done before the code has run, and only if every byte is the
// same. Where the file cannot be mapped to be executed, as from a file system
// mounted noexec, the private copy stays.
func shareCode(dir string, compiled wazero.CompiledModule) error {
	code := machineCode(compiled)
	if len(code) == 0 {
		return nil
	}
	shared, err := mapCode(filepath.Join(dir, codeFile), len(code))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(shared, code) {
		return errors.Join(fmt.Errorf("%s: not the module's code", codeFile), unmapCode(shared))
	}
	from, to := uintptr(unsafe.Pointer(&shared[0])), uintptr(unsafe.Pointer(&code[0]))
	_, _, errno := unix.Syscall6(unix.SYS_MREMAP, from, uintptr(len(code)), uintptr(len(code)),
		unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, to, 0)
	if errno != 0 {
		return fmt.Errorf("%s: move into place: %w", codeFile, errno)
	}
	return nil
}

// mapCode maps n bytes of a file to be read and executed. It goes past package
// unix's own account of mappings, from which the move would have to be hidden.
func mapCode(name string, n int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != int64(n) {
		return nil, fmt.Errorf("%s: %d bytes, want %d", codeFile, st.Size(), n)
	}
	addr, err := unix.MmapPtr(int(f.Fd()), 0, nil, uintptr(n), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", codeFile, err)
	}
	return unsafe.Slice((*byte)(addr), n), nil
}

func unmapCode(code []byte) error {
	return unix.MunmapPtr(unsafe.Pointer(&code[0]), uintptr(len(code)))
}
