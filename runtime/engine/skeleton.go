// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// A start decodes and validates the module anew, though its machine code is there,
// and keeps a copy of its data. So what is kept beside the machine code is a
// skeleton: the functions have types and no code, and where the first contents of
// the memory are known, they are a file of their own that is mapped, and shared by
// all who run the module (see image).

// noCode is a function's body that is valid whatever the function's type: no
// locals, unreachable.
var noCode = []byte{3, 0, byte(bytecode.Unreachable), byte(bytecode.End)}

// skeleton returns the module without its functions' code, and without its data if
// there is an image of those. The module must be valid.
func skeleton(wasm []byte, withoutData bool) ([]byte, error) {
	sections, err := bytecode.Sections(wasm)
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), wasm[:bytecode.PreambleLen]...)
	for _, s := range sections {
		switch {
		case s.ID == bytecode.Code:
			r := bytecode.NewReader(s.Body)
			n := r.U32()
			// A body takes two bytes at least.
			if r.Err() != nil || int(n) > len(s.Body)/2 {
				return nil, errors.Join(errors.New("code section is malformed"), r.Err())
			}
			body := bytecode.AppendU32(make([]byte, 0, 5+int(n)*len(noCode)), n)
			for range n {
				body = append(body, noCode...)
			}
			out = bytecode.AppendSection(out, s.ID, body)
		case withoutData && (s.ID == bytecode.Data || s.ID == bytecode.DataCount):
		case s.ID == bytecode.Custom && bytecode.NewReader(s.Body).Name() != "name":
			// Nobody reads it; names are for the traces of traps.
		default:
			out = bytecode.AppendSection(out, s.ID, s.Body)
		}
	}
	return out, nil
}

// boneDir is where the skeleton is compiled for the name of its cache entry.
const boneDir = "skeleton"

// substitute makes the module's cache entry that of its skeleton: wazero then finds
// the module's machine code when it is asked to compile the skeleton. entry is the
// module's entry below dir; the skeleton's is returned.
func substitute(ctx context.Context, bones []byte, dir, entry string) (string, error) {
	work := filepath.Join(dir, boneDir)
	if err := os.Mkdir(work, 0o755); err != nil {
		return "", err
	}
	name, err := entryName(ctx, bones, work)
	if err == nil {
		err = os.Rename(filepath.Join(dir, entry), filepath.Join(dir, filepath.Dir(entry), name))
	}
	return filepath.Join(filepath.Dir(entry), name), errors.Join(err, os.RemoveAll(work))
}

// entryName returns the name of the cache entry that a module has. It comes from
// wazero itself, which makes it of the module and of much else.
func entryName(ctx context.Context, wasm []byte, work string) (_ string, err error) {
	cache, err := wazero.NewCompilationCacheWithDir(work)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, cache.Close(ctx)) }()
	rt := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(cache, 0))
	defer func() { err = errors.Join(err, rt.Close(ctx)) }()
	if _, err := rt.CompileModule(ctx, wasm); err != nil {
		return "", fmt.Errorf("module without its code: %w", err)
	}
	entry, err := findEntry(work)
	return filepath.Base(entry), err
}
