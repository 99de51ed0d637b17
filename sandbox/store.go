// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/errdefs"
)

// idLength is that of an id, see [record.NewID].
const idLength = 64

func isID(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == idLength && s == strings.ToLower(s)
}

// entry is a sandbox in memory. An operation holds busy; readers load current
// and wait for nobody.
type entry struct {
	busy    chan struct{} // a mutex that a context can be waited for beside
	current atomic.Pointer[Sandbox]

	// ready ends, by notReady, once a sandbox that was ready is so no more.
	ready    context.Context
	notReady context.CancelCauseFunc
}

func newEntry() *entry {
	e := &entry{busy: make(chan struct{}, 1)}
	e.ready, e.notReady = context.WithCancelCause(context.Background())
	return e
}

// lock waits for the operation that is under way.
func (e *entry) lock(ctx context.Context) error {
	select {
	case e.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sandbox %s: busy: %w", e.current.Load().ID, context.Cause(ctx))
	}
}

func (e *entry) unlock() { <-e.busy }

// store is the sandboxes that are seen from outside, by id. Names are looked
// up in it too, so that no second index can disagree with it.
type store struct {
	mu      sync.RWMutex
	entries map[string]*entry
	names   map[Metadata]*entry
	parents map[string]int // how many are in each cgroup that a caller named

	// sorted is the list of all, the oldest first, until one changes.
	sorted atomic.Pointer[[]*Sandbox]
}

func newStore() *store {
	return &store{entries: map[string]*entry{}, names: map[Metadata]*entry{}, parents: map[string]int{}}
}

// publish shows a sandbox, new or changed.
func (s *store) publish(sb Sandbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[sb.ID]
	if e == nil {
		e = newEntry()
		s.entries[sb.ID], s.names[sb.Metadata] = e, e
		s.parents[sb.CgroupParent]++
	}
	e.current.Store(&sb)
	s.sorted.Store(nil)
	if sb.State == StateNotReady {
		e.notReady(errNotReady(sb))
	}
}

// remove takes a sandbox out. gone is what is left of it for those who wait
// for its lock.
func (s *store) remove(gone Sandbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[gone.ID]
	if s.names[gone.Metadata] == e {
		delete(s.names, gone.Metadata)
	}
	delete(s.entries, gone.ID)
	parent := e.current.Load().CgroupParent
	if s.parents[parent]--; s.parents[parent] == 0 {
		delete(s.parents, parent)
	}
	e.current.Store(&gone)
	s.sorted.Store(nil)
}

func (s *store) countIn(cgroupParent string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.parents[cgroupParent]
}

// byName returns the sandbox of that name and attempt.
func (s *store) byName(m Metadata) (Sandbox, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.names[m]; e != nil {
		return *e.current.Load(), true
	}
	return Sandbox{}, false
}

// find returns the entry of an id, or of the start of one that is unique, and
// the sandbox as it is now.
func (s *store) find(id string) (*entry, Sandbox, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := s.entries[id]
	if found != nil {
		return found, *found.current.Load(), nil
	}
	if id != "" && len(id) < idLength {
		for full, e := range s.entries {
			if !strings.HasPrefix(full, id) {
				continue
			}
			if found != nil {
				return nil, Sandbox{}, fmt.Errorf("sandbox %s: more than one id starts so: %w", id, errdefs.ErrInvalidArgument)
			}
			found = e
		}
	}
	if found == nil {
		return nil, Sandbox{}, fmt.Errorf("sandbox %s: %w", id, errdefs.ErrNotFound)
	}
	return found, *found.current.Load(), nil
}

// list returns all sandboxes, the oldest first. As long as nothing changes it is the
// same list.
func (s *store) list() []*Sandbox {
	if sorted := s.sorted.Load(); sorted != nil {
		return *sorted
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	sorted := make([]*Sandbox, 0, len(s.entries))
	for _, e := range s.entries {
		sorted = append(sorted, e.current.Load())
	}
	slices.SortFunc(sorted, func(a, b *Sandbox) int {
		if n := a.CreatedAt.Compare(b.CreatedAt); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	s.sorted.Store(&sorted)
	return sorted
}
