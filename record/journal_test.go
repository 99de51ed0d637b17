// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func openStrings(t *testing.T, dir string, version int) *Store[string] {
	t.Helper()
	same := func(old json.RawMessage) (json.RawMessage, error) { return old, nil }
	s, err := Open[string](dir, version, slices.Repeat([]Migration{same}, version-1)...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func do(t *testing.T, steps ...error) {
	t.Helper()
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
}

// Names lists what is in a directory.
func Names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func expect(t *testing.T, dir string, version int, want map[string]string) []Corrupt {
	t.Helper()
	records, bad, err := openStrings(t, dir, version).Load()
	if err != nil || !maps.Equal(records, want) {
		t.Errorf("records %v, %v; want %v", records, err, want)
	}
	return bad
}

// TestFilesComeLater: a record is in the journal alone until the delay is over, then in a file;
// one that is gone by then never was in any.
func TestFilesComeLater(t *testing.T) {
	dir := t.TempDir()
	s := openStrings(t, dir, 1)
	synctest.Test(t, func(t *testing.T) {
		do(t, s.Put("a", "1"), s.Put("b", "1"), s.Put("a", "2"), s.Remove("b"))
		if got := Names(t, dir); !slices.Equal(got, []string{"_tmp-journal-1"}) {
			t.Errorf("at first there are %v", got)
		}
		time.Sleep(checkpointDelay)
		synctest.Wait()
		if got := Names(t, dir); !slices.Equal(got, []string{"a.json"}) {
			t.Errorf("after the delay there are %v", got)
		}
		do(t, s.Remove("a"), s.Close())
		if got := Names(t, dir); len(got) != 0 {
			t.Errorf("at the end there are %v", got)
		}
		if err := s.Put("a", "3"); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestLongJournalsAreNotWaitedWith: so that a start reads little.
func TestLongJournalsAreNotWaitedWith(t *testing.T) {
	dir := t.TempDir()
	s := openStrings(t, dir, 1)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for range checkpointSize/1000 + 1 {
			do(t, s.Put("a", strings.Repeat("x", 1000)))
		}
		synctest.Wait()
		if got := Names(t, dir); !slices.Contains(got, "a.json") || slices.Contains(got, "_tmp-journal-1") || time.Since(began) != 0 {
			t.Errorf("there are %v", got)
		}
		do(t, s.Close())
	})
}

// TestJournalsAreReadBack is a daemon that was killed.
func TestJournalsAreReadBack(t *testing.T) {
	dir := t.TempDir()
	first := openStrings(t, dir, 1)
	do(t, first.Put("a", "1"), first.Put("b", "1"), first.Close())
	killed := openStrings(t, dir, 1)
	do(t, killed.Put("a", "2"), killed.Remove("b"), killed.Put("c", "1"))
	if bad := expect(t, dir, 1, map[string]string{"a": "2", "c": "1"}); len(bad) != 0 {
		t.Errorf("reported %v", bad)
	}
	if got := Names(t, dir); !slices.Equal(got, []string{"a.json", "c.json"}) {
		t.Errorf("files %v", got)
	}
}

// TestDamagedJournals: a line costs itself.
func TestDamagedJournals(t *testing.T) {
	line := func(id, value string) string {
		data, err := encode(1, id, value)
		if err != nil {
			t.Fatal(err)
		}
		return string(journalLine(data))
	}
	newer, err := encode(2, "n", "new")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		journal string
		want    map[string]string
		bad     []string // in corrupt
	}{
		"empty":        {"", map[string]string{}, nil},
		"torn":         {line("a", "1") + line("a", "2")[:30], map[string]string{"a": "1"}, nil},
		"end missing":  {strings.TrimSuffix(line("a", "1"), "\n"), map[string]string{"a": "1"}, nil},
		"torn, on":     {line("a", "1") + line("a", "2")[:30] + "\n" + line("b", "1"), map[string]string{"a": "1", "b": "1"}, []string{"journal-7.2.json"}},
		"zeros":        {line("a", "1") + strings.Repeat("\x00", 4096), map[string]string{"a": "1"}, nil},
		"flipped":      {strings.Replace(line("a", "1"), `"1"`, `"3"`, 1) + line("b", "1"), map[string]string{"b": "1"}, []string{"journal-7.1.json"}},
		"no id":        {string(journalLine(removal(""))), map[string]string{}, []string{"journal-7.1.json"}},
		"foreign id":   {string(journalLine(removal("../a"))), map[string]string{}, []string{"journal-7.1.json"}},
		"other type":   {line("a", "1") + string(journalLine([]byte(`{"version":1,"id":"a","checksum":"`+checksum([]byte("7"))+`","record":7}`+"\n"))), map[string]string{"a": "1"}, []string{"a.json"}},
		"of a newer":   {line("a", "1") + string(journalLine(newer)), map[string]string{"a": "1"}, nil},
		"garbage":      {"\x7fELF\x00\n\n\n" + line("a", "1"), map[string]string{"a": "1"}, []string{"journal-7.1.json"}},
		"short line":   {"12345678\n" + line("a", "1"), map[string]string{"a": "1"}, []string{"journal-7.1.json"}},
		"not a number": {"1234567g {}\n" + line("a", "1"), map[string]string{"a": "1"}, []string{"journal-7.1.json"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			do(t, os.WriteFile(filepath.Join(dir, "_tmp-journal-7"), []byte(c.journal), 0o600))
			reported := expect(t, dir, 1, c.want)
			var moved []string
			for _, b := range reported {
				if errors.Is(b.Err, ErrNewerVersion) {
					expect(t, dir, 2, map[string]string{"a": "1", "n": "new"})
					continue
				}
				moved = append(moved, filepath.Base(b.File))
				if _, err := os.Stat(b.File); err != nil || filepath.Base(filepath.Dir(b.File)) != corruptDir {
					t.Errorf("%s: %v, %v", b.File, b.Err, err)
				}
			}
			if !slices.Equal(moved, c.bad) || (name == "of a newer") != (len(reported) > len(moved)) {
				t.Errorf("reported %v, want %v", reported, c.bad)
			}
			if got := Names(t, dir); slices.Contains(got, "_tmp-journal-7") {
				t.Errorf("files %v", got)
			}
		})
	}
}

// TestUnreadableJournalIsSetAside: nobody knows what was in it, and it is not removed.
func TestUnreadableJournalIsSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, journalPrefix+"1")
	do(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, maxJournalSize+1))
	bad := expect(t, dir, 1, map[string]string{})
	if len(bad) != 1 || bad[0].File != filepath.Join(dir, corruptDir, journalPrefix+"1") {
		t.Fatalf("reported %v", bad)
	}
	if info, err := os.Stat(bad[0].File); err != nil || info.Size() != maxJournalSize+1 {
		t.Errorf("set aside: %v, %v", info, err)
	}
}

// TestJournalsInOrder: the tenth is after the ninth.
func TestJournalsInOrder(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"9": "1", "10": "2"} {
		data, err := encode(1, "a", value)
		do(t, err, os.WriteFile(filepath.Join(dir, journalPrefix+name), journalLine(data), 0o600))
	}
	expect(t, dir, 1, map[string]string{"a": "2"})
}

// TestFullDisk: what cannot be written fails, and spoils nothing after it.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	s := openStrings(t, dir, 1)
	do(t, s.Put("a", "1"))
	whole := s.journal.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	do(t, err)
	s.journal.file = full
	if err := s.Put("a", "2"); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	s.journal.file = whole
	do(t, full.Close())
	_, err = whole.WriteString("half a li") // what a disk takes before it is full
	s.journal.torn = true
	do(t, err, s.Put("b", "1"))
	if bad := expect(t, dir, 1, map[string]string{"a": "1", "b": "1"}); len(bad) != 1 {
		t.Errorf("reported %v", bad)
	}
}

// TestFullDiskDoesNotKeepRecords: what is removed is gone, wherever it was written.
func TestFullDiskDoesNotKeepRecords(t *testing.T) {
	dir := t.TempDir()
	s := openStrings(t, dir, 1)
	do(t, s.Put("file", "1"), s.journal.checkpoint(), s.Put("journal", "1"), s.Put("kept", "1"), s.Put("journal", "2"))
	whole := s.journal.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	do(t, err)
	s.journal.file = full
	do(t, s.Remove("file"), s.Remove("journal"), s.Remove("absent"), full.Close())
	s.journal.file = whole
	if bad := expect(t, dir, 1, map[string]string{"kept": "1"}); len(bad) != 0 {
		t.Errorf("reported %v", bad)
	}
}

// TestCheckpointBesidePuts: what is put during one is not on the disk yet, and takes nothing
// away that is; what is removed does not come back.
func TestCheckpointBesidePuts(t *testing.T) {
	dir := t.TempDir()
	s := openStrings(t, dir, 1)
	do(t, s.Put("put", "1"), s.Put("gone", "1"), s.journal.checkpoint(), s.Put("put", "2"), s.Put("gone", "2"))
	batch := s.journal.latest
	s.journal.latest = map[string][]byte{}
	do(t, s.Put("put", "3"), s.Remove("gone"), writeAll(dir, batch, s.journal.place))
	do(t, os.RemoveAll(filepath.Join(dir, "_tmp-journal-2"))) // a lost power supply
	if bad := expect(t, dir, 1, map[string]string{"put": "2"}); len(bad) != 0 {
		t.Errorf("reported %v", bad)
	}
}

// TestFailedCheckpointIsTriedAgain, and nobody who puts or removes hears of it.
func TestFailedCheckpointIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	s := openStrings(t, dir, 1)
	inTheWay := filepath.Join(dir, "a.json")
	synctest.Test(t, func(t *testing.T) {
		do(t, s.Put("a", "1"), s.Put("b", "1"), os.Mkdir(inTheWay, 0o700))
		time.Sleep(checkpointDelay)
		synctest.Wait()
		do(t, s.Put("b", "2"), s.Remove("absent"))
		if got := Names(t, dir); !slices.Contains(got, "_tmp-journal-1") || !slices.Contains(got, "_tmp-journal-2") {
			t.Errorf("files %v", got)
		}
		do(t, os.Remove(inTheWay))
		time.Sleep(checkpointDelay)
		synctest.Wait()
		if got := Names(t, dir); !slices.Equal(got, []string{"a.json", "b.json"}) {
			t.Errorf("then %v", got)
		}
		do(t, s.Close())
	})
	expect(t, dir, 1, map[string]string{"a": "1", "b": "2"})
}

// FuzzReplay: whatever stands in a journal, what was loaded from it is loaded again, from files.
func FuzzReplay(f *testing.F) {
	data, err := encode(1, "a", "1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(journalLine(data))
	f.Add(append(journalLine(data), journalLine(removal("a"))...))
	f.Add(journalLine(data)[:20])
	f.Add([]byte("00000000 \n"))
	f.Fuzz(func(t *testing.T, journal []byte) {
		dir := t.TempDir()
		do(t, os.WriteFile(filepath.Join(dir, journalPrefix+"1"), journal, 0o600))
		records, _, err := openStrings(t, dir, 1).Load()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range Names(t, dir) {
			if strings.HasPrefix(name, tempPrefix) {
				t.Errorf("%s is left", name)
			}
		}
		if bad := expect(t, dir, 1, records); len(bad) != 0 {
			for _, b := range bad {
				if !errors.Is(b.Err, ErrNewerVersion) {
					t.Errorf("reported again: %v", b)
				}
			}
		}
	})
}
