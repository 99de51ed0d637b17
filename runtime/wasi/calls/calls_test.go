// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func TestNamesAreSortedAndFit(t *testing.T) {
	if !slices.IsSorted(Names) || len(slices.Compact(slices.Clone(Names))) != len(Names) {
		t.Error("a name would not be found")
	}
	if (1+len(Names))*word > Size {
		t.Errorf("%d names do not fit a page", len(Names))
	}
}

func TestWhatIsCountedCanBeReadBeside(t *testing.T) {
	file, err := os.OpenFile(filepath.Join(t.TempDir(), "calls"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(Size); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(file); !errors.Is(err, ErrForeign) {
		t.Errorf("a file that no worker has mapped yet: %v", err)
	}
	nobody := Of("fd_write")
	nobody.Add() // counts for nobody
	if err := Map(file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counters = nil })
	Of("fd_write").Add()
	Of("fd_write").Add()
	Of("sock_accept_v2").Add()
	Of("no_such_function").Add()
	var threads sync.WaitGroup
	for range 4 {
		threads.Go(func() {
			for range 1000 {
				Of("poll_oneoff").AddShared()
			}
		})
	}
	threads.Wait()
	values, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for i, v := range values {
		if v > 0 {
			got[Names[i]] = v
		}
	}
	if len(got) != 3 || got["fd_write"] != 2 || got["sock_accept"] != 1 || got["poll_oneoff"] != 4000 {
		t.Errorf("counted %v", got)
	}
}

func TestMapWantsAFile(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := Map(null); err == nil || counters != nil {
		t.Errorf("got %v", err)
	}
}

// FuzzRead: a worker writes what it wants.
func FuzzRead(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, Size))
	f.Add(bytes.Repeat([]byte{0xff}, Size))
	f.Fuzz(func(t *testing.T, raw []byte) {
		values, err := Read(bytes.NewReader(raw))
		if err != nil {
			return
		}
		var sum uint64
		for _, v := range values {
			if sum += v; sum < v {
				t.Fatal("the sum wraps")
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	c := Of("fd_write")
	for b.Loop() {
		c.Add()
	}
}
