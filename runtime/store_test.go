// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"testing"
	"time"
)

// TestASnapshotIsTheSameUntilAChange, and the one before shows what it showed.
func TestASnapshotIsTheSameUntilAChange(t *testing.T) {
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var told []*Container // what a list shows when a change is told
	s.changed = func(Container, Container) { told = s.shown() }
	s.removed = func(Container) { told = s.shown() }
	var entries []*entry
	for i, id := range []string{"a", "b", "c"} {
		state := StateCreated
		if id == "c" {
			state = StateCreating // nobody has its id yet
		}
		e := newEntry(Container{ID: id, SandboxID: "s", State: state, CreatedAt: time.Unix(int64(i), 0), Config: Config{Name: id}})
		if err := s.add(e); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	before := s.shown()
	if again := s.shown(); len(before) != 2 || &again[0] != &before[0] {
		t.Errorf("%d, and another list though nothing has changed", len(before))
	}
	to := func(state State) func(*Container) error {
		return func(c *Container) error { c.State = state; return nil }
	}
	if _, err := s.update(entries[0], to(StateRunning)); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told[0].State != StateRunning || told[1] != before[1] {
		t.Errorf("one changed: %v", told)
	}
	if _, err := s.amend(entries[2], to(StateCreated)); err != nil {
		t.Fatal(err)
	}
	if len(told) != 3 || told[2].ID != "c" {
		t.Errorf("one is made: %v", told)
	}
	if err := s.remove(entries[1]); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told[1].ID != "c" {
		t.Errorf("one gone: %v", told)
	}
	if len(before) != 2 || before[0].State != StateCreated {
		t.Errorf("the first list became %v", before)
	}
}
