// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"slices"
	"time"
)

// table is the last seen list of one kind of thing, in the order it came in. What
// a call changes while a list is on its way is done again on the list that comes, so
// that neither a new pod is missing from it nor one that is gone is in it. The mirror's
// lock guards it.
type table[T any] struct {
	id      func(T) string
	items   []T
	changes []change[T]
	reading int       // lists that are on their way
	read    time.Time // when a list came last
}

// change is what a call did to one item; a nil item is gone.
type change[T any] struct {
	id    string
	apply func(old T, had bool) (T, bool)
}

// begin is called before a list is asked for; what it returns goes to end.
func (t *table[T]) begin() (from int) {
	t.reading++
	return len(t.changes)
}

// end takes a list that has come, or nothing when ok is false.
func (t *table[T]) end(from int, items []T, ok bool) {
	if t.reading--; ok {
		t.items, t.read = slices.Clone(items), time.Now()
		for _, c := range t.changes[from:] {
			t.apply(c)
		}
	}
	if t.reading == 0 {
		t.changes = nil
	}
}

// change does what a call did.
func (t *table[T]) change(id string, apply func(old T, had bool) (T, bool)) {
	c := change[T]{id: id, apply: apply}
	t.apply(c)
	if t.reading > 0 {
		t.changes = append(t.changes, c)
	}
}

func (t *table[T]) apply(c change[T]) {
	at := slices.IndexFunc(t.items, func(item T) bool { return t.id(item) == c.id })
	var old T
	if at >= 0 {
		old = t.items[at]
	}
	item, keep := c.apply(old, at >= 0)
	switch {
	case keep && at >= 0:
		t.items = slices.Clone(t.items) // readers have the old list
		t.items[at] = item
	case keep:
		t.items = append(slices.Clip(t.items), item)
	case at >= 0:
		t.items = slices.Delete(slices.Clone(t.items), at, at+1)
	}
}

// put adds an item or replaces it.
func (t *table[T]) put(item T) {
	t.change(t.id(item), func(T, bool) (T, bool) { return item, true })
}

// edit changes an item that is there.
func (t *table[T]) edit(id string, f func(T) T) {
	t.change(id, func(old T, had bool) (T, bool) {
		if !had {
			return old, false
		}
		return f(old), true
	})
}

// drop removes an item.
func (t *table[T]) drop(id string) {
	t.change(id, func(old T, _ bool) (T, bool) { return old, false })
}
