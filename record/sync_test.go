// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestSyncedSoon: what was put is synced after a while by itself, and at once when
// asked for; what was removed meanwhile is no fault.
func TestSyncedSoon(t *testing.T) {
	s, err := Open[string](t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		put := func() {
			t.Helper()
			if err := errors.Join(s.Put("a", "x"), s.Put("b", "y"), s.Remove("b")); err != nil {
				t.Fatal(err)
			}
			if n := s.waiting(); n != 1 {
				t.Errorf("%d names wait to be synced, want the journal's", n)
			}
		}
		put()
		time.Sleep(syncDelay)
		synctest.Wait()
		if n := s.waiting(); n != 0 {
			t.Errorf("%d names wait after the delay", n)
		}
		put()
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		if n := s.waiting(); n != 0 {
			t.Errorf("%d names wait after Sync", n)
		}
	})
}

func (s *Store[T]) waiting() int {
	s.journal.syncer.mu.Lock()
	defer s.journal.syncer.mu.Unlock()
	return len(s.journal.syncer.changed)
}

// TestUnsyncedIsTold: a record that cannot be synced fails the next call, once.
func TestUnsyncedIsTold(t *testing.T) {
	s, err := Open[string](t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if err := s.Put("a", "x"); err != nil {
			t.Fatal(err)
		}
		// A loop of links in the journal's place cannot be opened, not even by root.
		path := filepath.Join(s.dir, journalPrefix+"1")
		if err := errors.Join(os.Remove(path), os.Symlink(path, path)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(syncDelay)
		synctest.Wait()
		if err := s.Put("b", "y"); !errors.Is(err, unix.ELOOP) {
			t.Errorf("the next Put: %v", err)
		}
		if err := s.Put("b", "y"); err != nil {
			t.Errorf("the one after it: %v", err)
		}
	})
}
