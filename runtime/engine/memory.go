// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// mappedMemory is a guest's linear memory outside the Go heap. The address
// space of its maximum is reserved at once, so it grows without moving, and a
// page costs memory when it is first touched. How much there may be is the
// cgroup's business.
type mappedMemory struct {
	reserved  []byte // the whole reservation; nil when there was no room
	committed uint64 // bytes from its start that can be used
	image     *image // what it begins with; nil for zeros
}

// allocate reserves max bytes for an instance's memory. wazero has no way to refuse
// here; the first Reallocate does.
func (m *Module) allocate(_, max uint64) experimental.LinearMemory {
	return allocateMemory(max, m.image)
}

func allocateMemory(max uint64, begin *image) experimental.LinearMemory {
	if max == 0 {
		return &mappedMemory{}
	}
	reserved, err := unix.Mmap(-1, 0, int(max), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return &mappedMemory{}
	}
	return &mappedMemory{reserved: reserved, image: begin}
}

// Reallocate makes size bytes usable and returns them; nil when there is no
// room, which the guest sees as a failed memory.grow.
func (m *mappedMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) {
		return nil
	}
	if size > m.committed {
		if err := unix.Mprotect(m.reserved[m.committed:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil
		}
		if m.committed == 0 && m.image != nil {
			if err := m.image.layOver(m.reserved[:size]); err != nil {
				return nil
			}
		}
		m.committed = size
	}
	return m.reserved[:size]
}

// Free gives the memory back to the kernel.
func (m *mappedMemory) Free() {
	if m.reserved != nil {
		_ = unix.Munmap(m.reserved)
		m.reserved, m.committed = nil, 0
	}
}
