// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Toolbox is one module with many programs, which serves the commands that a
// container's own root has not.
type Toolbox struct {
	// Has says whether there is a program of that name.
	Has func(name string) bool
	// Module returns the module's bytes.
	Module func() ([]byte, error)
}

// toolbox is the Toolbox in the module cache. Its bytes are not kept: once
// compiled it is found by its digest.
type toolbox struct {
	Toolbox
	modules *Modules

	mu     sync.Mutex
	digest string // "" until it was compiled or found
}

// PrepareToolbox compiles the toolbox, so that the first command that needs it
// does not wait.
func (c *Controller) PrepareToolbox(ctx context.Context) error {
	if c.toolbox.Module == nil {
		return nil
	}
	compiled, err := c.toolbox.open(ctx)
	if err != nil {
		return err
	}
	return compiled.Dir.Close()
}

// builtin is the toolbox's compiled form for a program it has. A name with a
// slash counts where such programs usually are: no other file is made up.
func (c *Controller) builtin(ctx context.Context, name string) (*os.File, string, error) {
	dir, base := path.Split(name)
	usual := dir == "" || slices.Contains(strings.Split(spec.DefaultPath, ":"), path.Clean(dir))
	if c.toolbox.Module == nil || !usual || !c.toolbox.Has(base) {
		return nil, "", fmt.Errorf("%s: %w", name, errdefs.ErrNotFound)
	}
	compiled, err := c.toolbox.open(ctx)
	if err != nil {
		return nil, "", err
	}
	return compiled.Dir, compiled.Digest, nil
}

// open returns the compiled toolbox and compiles it if need be.
func (t *toolbox) open(ctx context.Context) (*Compiled, error) {
	t.mu.Lock()
	digest := t.digest
	t.mu.Unlock()
	if digest != "" {
		if compiled, err := t.modules.open(ctx, engine.Key(digest), digest); err == nil {
			return compiled, nil
		}
	}
	file, err := t.file()
	if err != nil {
		return nil, fmt.Errorf("toolbox: %w", err)
	}
	defer file.Close()
	compiled, err := t.modules.Ensure(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("toolbox: %w", err)
	}
	t.mu.Lock()
	t.digest = compiled.Digest
	t.mu.Unlock()
	return compiled, nil
}

// file is the module as a file that lies nowhere.
func (t *toolbox) file() (*os.File, error) {
	module, err := t.Module()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("toolbox.wasm", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "toolbox.wasm")
	if _, err := file.Write(module); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
