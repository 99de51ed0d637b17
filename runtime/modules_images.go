// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/engine"
)

// imagesDir holds, in an entry, an empty file for each image whose containers have
// used it, but for those whose program it is. It is the daemon's and not part of what the compiler made.
const imagesDir = "images"

// usedBy notes that a container of the image has used a module that is not its
// program.
func (m *Modules) usedBy(module string, image imageservice.Image) {
	if digest.Digest(image.ID).Validate() != nil || image.Program.String() == module {
		return
	}
	path := filepath.Join(m.options.Dir, engine.Key(module), imagesDir, image.ID)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) && os.Mkdir(filepath.Dir(path), 0o700) == nil {
		file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	}
	// Where it fails, as on a full disk, the entry only stays longer than it had to.
	if err == nil {
		_ = file.Close()
	}
}

// Release makes the room that an image took that has been removed: the compiled form
// of its program, and those that containers of it have used, unless an image that is
// there has it or has used it. has tells which images are there, runs whether one of
// them has the module as its program. A worker that runs a module goes on.
func (m *Modules) Release(program string, has, runs func(string) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dirs, err := os.ReadDir(m.options.Dir)
	if err != nil {
		return fmt.Errorf("module cache: %w", err)
	}
	var failed []error
	for _, dir := range dirs {
		key := dir.Name()
		if strings.HasPrefix(key, unfinished) {
			continue
		}
		was, is, err := m.users(key, has)
		if err != nil || is > 0 {
			failed = append(failed, err)
			continue
		}
		r, _, err := readEntry(filepath.Join(m.options.Dir, key))
		had := was > 0 || r.Module == program
		if err != nil || !had || runs(r.Module) { // a damaged entry is others' business
			continue
		}
		failed = append(failed, m.discard(key))
	}
	return errors.Join(failed...)
}

// users counts the images that have used an entry, and those of them that are there;
// the others are forgotten.
func (m *Modules) users(key string, has func(string) bool) (was, is int, err error) {
	dir := filepath.Join(m.options.Dir, key, imagesDir)
	images, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, fmt.Errorf("module cache: %w", err)
	}
	for _, image := range images {
		if has(image.Name()) {
			is++
		} else if err := os.Remove(filepath.Join(dir, image.Name())); err != nil {
			return len(images), is, fmt.Errorf("module cache: %w", err)
		}
	}
	return len(images), is, nil
}
