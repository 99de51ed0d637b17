// SPDX-License-Identifier: Apache-2.0

// Package toolbox holds the toolbox: a shell and the usual commands as one Wasm program of our own,
// for containers whose image has neither. Which command it is to be, the program reads from the base
// name of its argv[0], or from its first argument: `toolbox ls -l`.
//
// The program is built by `make build`, compressed, and embedded here.
package toolbox

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"slices"

	"github.com/containerd/errdefs"
)

// Name is the program's own name: as argv[0] it lets the first argument say which command to be.
const Name = "toolbox"

//go:embed module
var files embed.FS

// maxModule bounds what the module may unpack to.
const maxModule = 64 << 20

// Module is the program: the bytes of a WASI preview 1 command, unpacked anew by each call. A binary
// that was built without it answers errdefs.ErrNotFound.
func Module() ([]byte, error) {
	packed, err := files.ReadFile("module/toolbox.wasm.gz")
	if err != nil {
		return nil, fmt.Errorf("toolbox: this binary was built without it (make build puts it in): %w", errdefs.ErrNotFound)
	}
	module, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("toolbox: unpack: %w", err)
	}
	return module, nil
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxModule))
}

// Names are the commands the program knows, sorted.
func Names() []string { return slices.Clone(names) }

// Has says whether the program knows a command: the base name of what would be argv[0].
func Has(name string) bool {
	_, found := slices.BinarySearch(names, name)
	return found
}
