// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Program is what an image runs when nobody says otherwise.
type Program struct {
	Path    string       `json:"path"`              // of its file, in the container's root
	Export  string       `json:"export,omitempty"`  // the function that runs, if not _start
	Digest  string       `json:"digest,omitempty"`  // of the module, "sha256:…"
	Module  *engine.Info `json:"module,omitempty"`  // absent when the module could not be read
	Refusal string       `json:"refusal,omitempty"` // why a container of it would not start
}

// OpenProgram opens the file that an image runs when nobody says otherwise, and
// returns its path in the container's root. The error is ErrNotFound when the
// image names none.
func OpenProgram(ctx context.Context, images *imageservice.Service, image imageservice.Image) (*os.File, string, error) {
	if image.Kind == imageservice.KindModule {
		file, err := images.OpenModule(ctx, image)
		return file, (&spec.ModuleFile{Name: image.Module.Name}).Path(), err
	}
	return images.OpenEntry(ctx, image)
}

// IsWasm tells by its first bytes whether a file is WebAssembly of any kind.
func IsWasm(file *os.File) (bool, error) {
	header := make([]byte, engine.SniffLen)
	n, err := file.ReadAt(header, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return engine.Sniff(header[:n]) != engine.KindOther, nil
}

// Describe tells what an image runs; nil if it names no program. What is told of
// a module, its confined compiler has read: it is compiled if it is not yet.
func (m *Modules) Describe(ctx context.Context, images *imageservice.Service, image imageservice.Image) (*Program, error) {
	file, path, err := OpenProgram(ctx, images, image)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := &Program{Path: path}
	if words := slices.Concat(image.Entrypoint, image.Cmd); len(words) > 0 {
		if _, export, ok := spec.CutExport(words[0]); ok {
			p.Export = export
		}
	}
	if wasm, err := IsWasm(file); err != nil || !wasm {
		p.Refusal = "not a WebAssembly module"
		return p, err
	}
	compiled, err := m.Ensure(ctx, file)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		p.Refusal, p.Module = refusal.Words, refusal.Info
		p.Digest, err = digestOf(file)
		return p, err
	}
	if errdefs.IsInvalidArgument(err) { // too large to be looked at
		p.Refusal = err.Error()
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	defer compiled.Dir.Close()
	p.Digest, p.Module = compiled.Digest, &compiled.Info
	if err := compiled.Info.Runnable(p.Export); err != nil {
		p.Refusal = err.Error()
	}
	return p, nil
}

// Describe tells what an image runs, see [Modules.Describe].
func (c *Controller) Describe(ctx context.Context, image imageservice.Image) (*Program, error) {
	return c.modules.Describe(ctx, c.images, image)
}
