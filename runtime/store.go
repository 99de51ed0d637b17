// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/record"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// recordVersion is the version of the container record's JSON form.
const recordVersion = 1

// entry is a container and what the daemon holds of it. Reading its status
// never waits: long operations hold only their own lock.
type entry struct {
	// operation is held by Start and Remove, which must not overlap.
	operation sync.Mutex
	// stopping is held to send the stop signal, once: signalled.
	stopping  sync.Mutex
	signalled bool
	// write is held while one status follows another.
	write  sync.Mutex
	status atomic.Pointer[Container]

	// group and process are set before the entry can be seen with a live
	// state, and not changed after.
	group   *cgroup.Group
	process *launch.Process
	// counted is what was on the container's host calls when they began to be
	// counted; callTotals guards it.
	counted []uint64
	// exited is closed when the worker's end is in the record.
	exited chan struct{}
	// commandOOMs counts the OOM kills in group that were of commands.
	commandOOMs atomic.Uint64
}

func newEntry(c Container) *entry {
	e := &entry{exited: make(chan struct{})}
	e.status.Store(&c)
	return e
}

func (e *entry) container() Container { return *e.status.Load() }

// store holds every container of the node, in memory for readers and as
// records for the next daemon.
type store struct {
	records *record.Store[Container]
	// changed is told of each step of a container, in order, and removed of its
	// end. They must not wait for anything.
	changed func(was, is Container)
	removed func(gone Container)

	mu    sync.RWMutex
	byID  map[string]*entry
	byKey map[string]string // nameKey to id

	// version grows after each change that a list could show; listed is the last
	// list.
	version atomic.Uint64
	listed  atomic.Pointer[snapshot]
}

// snapshot is what List showed at a version.
type snapshot struct {
	version uint64
	list    []*Container
}

func openStore(dir string) (*store, error) {
	records, err := record.Open[Container](dir, recordVersion)
	if err != nil {
		return nil, fmt.Errorf("container records: %w", err)
	}
	return &store{records: records, byID: map[string]*entry{}, byKey: map[string]string{}}, nil
}

// add writes the first record of a container and makes it visible.
func (s *store) add(e *entry) error {
	c := e.container()
	key := c.Config.key(c.SandboxID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, taken := s.byKey[key]; taken {
		return fmt.Errorf("container %s attempt %d of sandbox %s: exists as %s: %w",
			c.Config.Name, c.Config.Attempt, c.SandboxID, id, errdefs.ErrAlreadyExists)
	}
	if err := s.records.Put(c.ID, c); err != nil {
		return fmt.Errorf("container %s: record: %w", c.ID, err)
	}
	s.index(e)
	return nil
}

// index makes an entry visible; the caller holds s.mu.
func (s *store) index(e *entry) {
	c := e.container()
	s.byID[c.ID] = e
	s.byKey[c.Config.key(c.SandboxID)] = c.ID
	s.version.Add(1)
}

// remove drops a container's record and name: the last step of its life.
func (s *store) remove(e *entry) error {
	c := e.container()
	if err := s.records.Remove(c.ID); err != nil {
		return fmt.Errorf("container %s: record: %w", c.ID, err)
	}
	s.mu.Lock()
	delete(s.byID, c.ID)
	delete(s.byKey, c.Config.key(c.SandboxID))
	s.version.Add(1)
	s.mu.Unlock()
	s.removed(c)
	return nil
}

// update lets change make the next status from the present one, writes it
// down, then shows it. What change refuses, nobody sees.
func (s *store) update(e *entry, change func(*Container) error) (Container, error) {
	e.write.Lock()
	defer e.write.Unlock()
	next := e.container()
	if err := change(&next); err != nil {
		return e.container(), err
	}
	if err := s.records.Put(next.ID, next); err != nil {
		return e.container(), fmt.Errorf("container %s: record: %w", next.ID, err)
	}
	s.show(e, next)
	return next, nil
}

// amend is update for what must be seen even if it cannot be written down.
func (s *store) amend(e *entry, change func(*Container) error) (Container, error) {
	e.write.Lock()
	defer e.write.Unlock()
	next := e.container()
	if err := change(&next); err != nil {
		return e.container(), err
	}
	err := s.records.Put(next.ID, next)
	if err != nil {
		err = fmt.Errorf("container %s: record: %w", next.ID, err)
	}
	s.show(e, next)
	return next, err
}

// show makes a status the present one; the caller holds e.write.
func (s *store) show(e *entry, next Container) {
	was := e.container()
	e.status.Store(&next)
	s.version.Add(1)
	s.changed(was, next)
}

// get finds a container by its id or an unambiguous prefix of it.
func (s *store) get(id string) (*entry, error) {
	if id == "" {
		return nil, fmt.Errorf("container: no id given: %w", errdefs.ErrInvalidArgument)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e, ok := s.byID[id]; ok {
		return e, nil
	}
	var found *entry
	for full, e := range s.byID {
		if !strings.HasPrefix(full, id) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("container %s: more than one id begins so: %w", id, errdefs.ErrInvalidArgument)
		}
		found = e
	}
	if found == nil {
		return nil, fmt.Errorf("container %s: %w", id, errdefs.ErrNotFound)
	}
	return found, nil
}

// byName finds the container an earlier Create with the same key made.
func (s *store) byName(key string) (*entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.byID[s.byKey[key]]
	return e, ok
}

// all lists the entries, oldest first.
func (s *store) all() []*entry {
	s.mu.RLock()
	list := slices.Collect(maps.Values(s.byID))
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b *entry) int {
		x, y := a.status.Load(), b.status.Load()
		if n := x.CreatedAt.Compare(y.CreatedAt); n != 0 {
			return n
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list
}

// shown lists the containers that are shown, oldest first. As long as nothing changes
// it is the same list.
func (s *store) shown() []*Container {
	version := s.version.Load() // before: what changes meanwhile makes another
	if last := s.listed.Load(); last != nil && last.version == version {
		return last.list
	}
	entries := s.all()
	list := make([]*Container, 0, len(entries))
	for _, e := range entries {
		if c := e.status.Load(); c.State != StateCreating {
			list = append(list, c)
		}
	}
	s.listed.Store(&snapshot{version: version, list: list})
	return list
}

// ofSandbox lists the entries of one sandbox.
func (s *store) ofSandbox(sandboxID string) []*entry {
	return slices.DeleteFunc(s.all(), func(e *entry) bool {
		return e.status.Load().SandboxID != sandboxID
	})
}

// containersOf lists the containers of one sandbox as they are now, oldest
// first; those whose Create is not done are not shown.
func (s *store) containersOf(sandboxID string) []Container {
	var list []Container
	s.mu.RLock()
	for _, e := range s.byID {
		if c := e.status.Load(); c.SandboxID == sandboxID && c.State != StateCreating {
			list = append(list, *c)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b Container) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return list
}

// load reads the records of the daemon before; those that cannot be read are
// set aside and reported, and cost only themselves.
func (s *store) load() error {
	records, corrupt, err := s.records.Load()
	if err != nil {
		return fmt.Errorf("container records: %w", err)
	}
	var bad []error
	for _, c := range corrupt {
		bad = append(bad, fmt.Errorf("container record %s: %w", c.File, c.Err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range records {
		if c.ID != id || !c.State.known() {
			bad = append(bad, fmt.Errorf("container record %s: names container %q in state %q: %w", id, c.ID, c.State, errdefs.ErrDataLoss))
			continue
		}
		s.index(newEntry(c))
	}
	return errors.Join(bad...)
}

// nameKey is how a container's name and attempt are looked up.
func nameKey(sandboxID, name string, attempt uint32) string {
	return sandboxID + "/" + name + "/" + strconv.FormatUint(uint64(attempt), 10)
}
