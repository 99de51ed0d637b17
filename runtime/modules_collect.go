// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/log"

	"github.com/wazelet/wazelet/runtime/engine"
)

// recent is how long after its last use an entry is never removed to make room:
// a worker may be loading it.
const recent = 10 * time.Minute

// Has tells whether a module's compiled form, or its refusal, is in the cache. It
// is not verified.
func (m *Modules) Has(module string) bool {
	_, err := os.Stat(filepath.Join(m.options.Dir, engine.Key(module)))
	return err == nil
}

// Forget removes the compiled form of a module that no image has any more;
// absent is fine. A worker that runs it goes on.
func (m *Modules) Forget(module string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.discard(engine.Key(module))
}

// Compiles returns how often a compiler has run since the daemon began.
func (m *Modules) Compiles() int64 { return m.compiles.Load() }

// cached is an entry on disk.
type cached struct {
	key      string
	size     int64
	lastUsed time.Time
}

// Collect removes entries that an earlier engine or processor made, or that are
// no entries at all, and then, the longest unused first, what is beyond the
// cache's size.
func (m *Modules) Collect(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dirs, err := os.ReadDir(m.options.Dir)
	if err != nil {
		return fmt.Errorf("module cache: %w", err)
	}
	var entries []cached
	var total int64
	for _, dir := range dirs {
		key := dir.Name()
		if strings.HasPrefix(key, unfinished) {
			continue // a compiler's, or about to be removed
		}
		r, lastUsed, err := readEntry(filepath.Join(m.options.Dir, key))
		if err != nil || r.Platform != engine.Platform() || engine.Key(r.Module) != key {
			log.G(ctx).WithField("module", r.Module).Info("compiled module of another engine removed")
			if err := m.discard(key); err != nil {
				return err
			}
			continue
		}
		entries, total = append(entries, cached{key, r.Size, lastUsed}), total+r.Size
	}
	return m.makeRoom(ctx, entries, total)
}

func (m *Modules) makeRoom(ctx context.Context, entries []cached, total int64) error {
	if m.options.Size <= 0 {
		return nil
	}
	slices.SortFunc(entries, func(a, b cached) int { return a.lastUsed.Compare(b.lastUsed) })
	for _, e := range entries {
		if total <= m.options.Size || time.Since(e.lastUsed) < recent {
			return nil
		}
		log.G(ctx).WithFields(log.Fields{"key": e.key, "bytes": e.size}).Info("compiled module removed to make room")
		if err := m.discard(e.key); err != nil {
			return err
		}
		total -= e.size
	}
	return nil
}
