// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// syncDelay is for how long a record may be in the kernel's memory alone: what a
// lost power supply takes at most.
const syncDelay = 200 * time.Millisecond

// syncer brings to the disk what was written to a directory: a moment later, what
// there is by then at once, and without anybody who waits.
type syncer struct {
	dir string

	flushing sync.Mutex // held while a flush is at it

	mu      sync.Mutex
	changed map[string]bool // names of files written since the last flush
	failed  error           // why a flush could not do it, until somebody is told
}

// note has the file synced soon.
func (s *syncer) note(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.changed) == 0 {
		s.changed = map[string]bool{}
		time.AfterFunc(syncDelay, func() { s.fail(s.flush()) })
	}
	s.changed[name] = true
}

// told returns what fail was called with, once.
func (s *syncer) told() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.failed
	s.failed = nil
	return err
}

// fail has err, unless it is nil, told to somebody.
func (s *syncer) fail(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

// flush syncs what has changed before it is called. A file that is gone by now needs
// no more.
func (s *syncer) flush() error {
	s.flushing.Lock() // another one may have taken the names, and not be done
	defer s.flushing.Unlock()
	s.mu.Lock()
	changed := s.changed
	s.changed = nil
	s.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	var errs []error
	for name := range changed {
		errs = append(errs, syncFile(filepath.Join(s.dir, name)))
	}
	return errors.Join(append(errs, syncFile(s.dir))...)
}

// syncFile syncs a file, or the names in a directory. One that is absent is fine.
func syncFile(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
