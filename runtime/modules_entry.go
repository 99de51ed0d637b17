// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/engine"
)

// entryFile says what an entry is and holds the digests of its files. The daemon
// writes it when the compiler is gone.
const entryFile = "entry.json"

// maxEntryFile bounds what is read of it, in bytes.
const maxEntryFile = 64 << 10

// entryRecord is the content of entryFile.
type entryRecord struct {
	Module   string            `json:"module"`   // "sha256:…"
	Platform string            `json:"platform"` // see engine.Platform
	Size     int64             `json:"size"`     // of all files, in bytes
	Files    map[string]string `json:"files"`    // SHA-256 by path
}

// seal writes the record of an entry that is complete.
func seal(dir, module string) error {
	r := entryRecord{Module: module, Platform: engine.Platform()}
	var err error
	if r.Files, r.Size, err = sumFiles(dir); err != nil {
		return err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, entryFile), raw, 0o444)
}

// sumFiles reads every file below dir but the record and the daemon's notes.
func sumFiles(dir string) (sums map[string]string, size int64, err error) {
	sums = map[string]string{}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && path == imagesDir {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || path == entryFile {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a file", path)
		}
		file, err := root.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		sum := sha256.New()
		n, err := io.Copy(sum, file)
		sums[path], size = hex.EncodeToString(sum.Sum(nil)), size+n
		return err
	})
	return sums, size, err
}

// readEntry reads an entry's record, and when the entry was used last.
func readEntry(dir string) (r entryRecord, lastUsed time.Time, err error) {
	file, err := os.Open(filepath.Join(dir, entryFile))
	if err != nil {
		return r, lastUsed, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return r, lastUsed, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxEntryFile+1))
	if err != nil {
		return r, lastUsed, err
	}
	if len(raw) > maxEntryFile {
		return r, lastUsed, fmt.Errorf("%s: larger than %d bytes", entryFile, maxEntryFile)
	}
	r, err = parseEntry(raw)
	return r, st.ModTime(), err
}

func parseEntry(raw []byte) (r entryRecord, err error) {
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("%s: %w", entryFile, err)
	}
	if r.Module == "" || r.Platform == "" || r.Size < 0 {
		return r, fmt.Errorf("%s: incomplete", entryFile)
	}
	return r, nil
}

// verifyEntry compares an entry with its record.
func verifyEntry(dir, module string) error {
	r, _, err := readEntry(dir)
	if err != nil {
		return err
	}
	if r.Module != module || r.Platform != engine.Platform() {
		return fmt.Errorf("made of module %.80s for %.200s", r.Module, r.Platform)
	}
	sums, _, err := sumFiles(dir)
	if err != nil {
		return err
	}
	if !maps.Equal(sums, r.Files) {
		return errors.New("its files are not those that the compiler wrote")
	}
	return nil
}

// fingerprint tells whether an entry's files were touched: for each its inode, size and
// the times of its last changes (stat(2)). Whoever changes a file changes its ctime.
func fingerprint(dir string) (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && path == filepath.Join(dir, imagesDir) {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || entry.Name() == entryFile {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		_, err = fmt.Fprintln(&b, path, st.Dev, st.Ino, st.Mode, st.Size, st.Mtim, st.Ctim)
		return err
	})
	return b.String(), err
}

// admit verifies an entry the first time that it is used in this daemon's life, and
// again when its files were touched since; one that is not what it was is removed, and
// ErrNotFound.
func (m *Modules) admit(ctx context.Context, key, module string) error {
	dir := filepath.Join(m.options.Dir, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	now, err := fingerprint(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return notCompiled(module)
	}
	if err == nil && now == m.verified[key] {
		return nil
	}
	if err == nil {
		err = verifyEntry(dir, module)
	}
	if err != nil {
		log.G(ctx).WithError(err).WithField("module", module).Warn("compiled module is damaged and made anew")
		if err := m.discard(key); err != nil {
			return err
		}
		return notCompiled(module)
	}
	m.verified[key] = now
	return nil
}

func notCompiled(module string) error {
	return fmt.Errorf("module %s: not compiled: %w", module, errdefs.ErrNotFound)
}

// used notes, by the time of its record, that an entry has been used.
func (m *Modules) used(key string) {
	now := time.Now()
	// Where it fails, as on a full disk, the entry only looks older than it is.
	_ = os.Chtimes(filepath.Join(m.options.Dir, key, entryFile), now, now)
}

// discard removes an entry. m.mu is held.
func (m *Modules) discard(key string) error {
	delete(m.verified, key)
	// No folder is made to move it to: this may be to make room on a full disk.
	aside := filepath.Join(m.options.Dir, unfinished+rand.Text())
	if err := os.Rename(filepath.Join(m.options.Dir, key), aside); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("module cache: %w", err)
	}
	return os.RemoveAll(aside)
}
