// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/engine"
)

// Check reads every entry of the cache and compares it with what the compiler wrote. Damaged and foreign entries, remains
// of compilers, and entries of modules that neither an image nor keep has and that were not used just now are findings;
// with repair, they are removed, and a damaged one is made anew when it is wanted. Compilers and workers may go on
// meanwhile. It returns how many entries it has looked at.
func (m *Modules) Check(ctx context.Context, keep func(module digest.Digest) bool, repair bool) (int, []imageservice.Finding, error) {
	dirs, err := os.ReadDir(m.options.Dir)
	if err != nil {
		return 0, nil, fmt.Errorf("module cache: %w", err)
	}
	var findings []imageservice.Finding
	entries := 0
	for _, dir := range dirs {
		if ctx.Err() != nil {
			return entries, findings, context.Cause(ctx)
		}
		if !strings.HasPrefix(dir.Name(), unfinished) {
			entries++
		}
		finding := m.checkEntry(dir.Name(), keep)
		if finding == nil {
			continue
		}
		if repair {
			log.G(ctx).WithFields(log.Fields{"entry": dir.Name(), "cause": finding.Cause}).Warn("entry of the module cache removed")
			if err := m.takeOut(dir.Name()); err != nil {
				return entries, findings, err
			}
			finding.Repaired = true
		}
		findings = append(findings, *finding)
	}
	return entries, findings, nil
}

// checkEntry looks at one name in the cache's folder; nil if there is nothing to be said.
func (m *Modules) checkEntry(key string, keep func(digest.Digest) bool) *imageservice.Finding {
	dir := filepath.Join(m.options.Dir, key)
	f := &imageservice.Finding{Object: "compiled module " + key}
	if strings.HasPrefix(key, unfinished) {
		if m.isWriting(key) || isGone(dir) {
			return nil
		}
		f.Cause, f.Remains = "its compiler was interrupted", true
		return f
	}
	r, lastUsed, err := readEntry(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isGone(dir):
		return nil // removed in the meantime
	case err != nil:
		f.Cause = "no entry of the module cache: " + err.Error()
		return f
	}
	f.Object += " of " + r.Module
	if r.Platform != engine.Platform() || engine.Key(r.Module) != key {
		f.Cause, f.Remains = fmt.Sprintf("made by another engine or for another processor (%.200s)", r.Platform), true
		return f
	}
	if err := verifyEntry(dir, r.Module); err != nil {
		if isGone(dir) {
			return nil
		}
		f.Cause = err.Error()
		return f
	}
	if !keep(digest.Digest(r.Module)) && time.Since(lastUsed) > recent {
		f.Cause, f.Remains = "no image has this module, and it was last used "+lastUsed.UTC().Format(time.RFC3339), true
		return f
	}
	return nil
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// takeOut removes an entry, or what a compiler has left.
func (m *Modules) takeOut(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.discard(key)
}

// newFolder makes a folder for a compiler to write to. It is the compiler's until the returned function is called.
func (m *Modules) newFolder() (dir string, done func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, err = os.MkdirTemp(m.options.Dir, unfinished)
	if err != nil {
		return "", nil, err
	}
	key := filepath.Base(dir)
	m.writing[key] = true
	return dir, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.writing, key)
	}, nil
}

func (m *Modules) isWriting(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writing[key]
}
