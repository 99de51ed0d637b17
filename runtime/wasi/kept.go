// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"io"
	"sync"
)

// kept is what faces keep for a guest beside its descriptors.
type kept struct {
	mu     sync.Mutex
	things map[any]io.Closer
}

// Keep returns what a face keeps for the guest under its key, which make makes at the first call.
// Close closes it.
func (s *System) Keep(key any, make func() io.Closer) io.Closer {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	thing, found := s.kept.things[key]
	if !found {
		thing = make()
		s.kept.put(key, thing)
	}
	return thing
}

func (k *kept) put(key any, thing io.Closer) {
	if k.things == nil {
		k.things = map[any]io.Closer{}
	}
	k.things[key] = thing
}

// close closes all of it. Nobody could be told of an error.
func (k *kept) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, thing := range k.things {
		_ = thing.Close()
	}
	k.things = nil
}
