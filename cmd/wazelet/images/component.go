// SPDX-License-Identifier: Apache-2.0

package images

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/imageservice/push"
	"github.com/wazelet/wazelet/runtime/component"
	"github.com/wazelet/wazelet/runtime/engine"
)

// maxModule bounds the module that a node takes, in bytes.
const maxModule = 512 << 20

// Component returns what a component at path says that it imports and exports; nil for anything else, which may be
// absent too.
func Component(path string) (*push.Component, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil // who makes the image will say what is wrong
	}
	defer file.Close()
	header := make([]byte, engine.SniffLen)
	n, err := io.ReadFull(file, header)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || engine.Sniff(header[:n]) != engine.KindComponent {
		return nil, nil // a folder, say
	}
	wasm, err := io.ReadAll(io.NewSectionReader(file, 0, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(wasm) > maxModule {
		return nil, fmt.Errorf("%s: a module has at most %d bytes: %w", path, maxModule, errdefs.ErrInvalidArgument)
	}
	outline, err := component.Read(wasm)
	if err != nil {
		return nil, fmt.Errorf("%s is a WebAssembly component that cannot be read: %w: %w", path, err, errdefs.ErrInvalidArgument)
	}
	return &push.Component{Exports: names(outline.Exports), Imports: names(outline.Imports)}, nil
}

func names(list []component.Extern) []string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name
	}
	return names
}
