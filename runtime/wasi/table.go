// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"errors"
	"sync"
)

// table maps the guest's descriptor numbers. Numbers are given lowest first, as POSIX programs expect.
type table struct {
	mu   sync.Mutex
	fds  []*Descriptor // nil: free
	free int           // no number below this one is free
}

func (t *table) insert(d *Descriptor) (uint32, Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.free < len(t.fds) && t.fds[t.free] != nil {
		t.free++
	}
	if t.free >= MaxDescriptors {
		return 0, EMFILE
	}
	if t.free == len(t.fds) {
		t.fds = append(t.fds, nil)
	}
	t.fds[t.free] = d
	t.free++
	return uint32(t.free - 1), ESUCCESS
}

func (t *table) acquire(fd uint32) (*Descriptor, Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.at(fd)
	if d == nil {
		return nil, EBADF
	}
	d.refs.Add(1)
	return d, ESUCCESS
}

func (t *table) at(fd uint32) *Descriptor {
	if uint64(fd) >= uint64(len(t.fds)) {
		return nil
	}
	return t.fds[fd]
}

func (t *table) remove(fd uint32) (*Descriptor, Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.at(fd)
	if d == nil {
		return nil, EBADF
	}
	t.fds[fd] = nil
	t.free = min(t.free, int(fd))
	return d, ESUCCESS
}

// renumber moves from onto to and returns what it displaced: nil where both are the same.
func (t *table) renumber(from, to uint32) (*Descriptor, Errno) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, old := t.at(from), t.at(to)
	if d == nil || old == nil {
		return nil, EBADF
	}
	if from == to {
		return nil, ESUCCESS
	}
	t.fds[to], t.fds[from] = d, nil
	t.free = min(t.free, int(from))
	return old, ESUCCESS
}

func (t *table) closeAll() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for i, d := range t.fds {
		if d == nil {
			continue
		}
		t.fds[i] = nil
		if errno := d.close(); errno != ESUCCESS {
			errs = append(errs, errno)
		}
	}
	t.fds, t.free = nil, 0
	return errors.Join(errs...)
}

// Acquire looks a descriptor up and holds it: a close by another thread takes effect after Release.
func (s *System) Acquire(fd uint32) (*Descriptor, Errno) { return s.table.acquire(fd) }

// Insert gives a descriptor the lowest free number. On error (EMFILE) the descriptor is released.
func (s *System) Insert(d *Descriptor) (uint32, Errno) {
	fd, errno := s.table.insert(d)
	if errno != ESUCCESS {
		d.Release()
	}
	return fd, errno
}

// CloseFD frees a number (fd_close). Its errno is the kernel's, a write-back error say; the number
// is free either way.
func (s *System) CloseFD(fd uint32) Errno {
	d, errno := s.table.remove(fd)
	if errno != ESUCCESS {
		return errno
	}
	return d.close()
}

// Renumber moves a descriptor onto another's number, closing that one (fd_renumber). Both must be open.
func (s *System) Renumber(from, to uint32) Errno {
	old, errno := s.table.renumber(from, to)
	if old != nil {
		old.Release() // dup2 does not tell what closing the displaced one says either
	}
	return errno
}
