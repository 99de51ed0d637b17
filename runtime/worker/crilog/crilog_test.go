// SPDX-License-Identifier: Apache-2.0

package crilog

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var moment = time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("elsewhere", 3600))

const stamp = "2026-01-02T02:04:05.0000006Z"

func newLog(t testing.TB) (*Log, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	l := New(open(t, name))
	l.now = func() time.Time { return moment }
	return l, name
}

func open(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestRecords(t *testing.T) {
	full := strings.Repeat("x", MaxLine)
	for name, c := range map[string]struct {
		writes []string
		want   []string // tag and text
	}{
		"nothing":                   {[]string{""}, nil},
		"a line":                    {[]string{"one\n"}, []string{"F one"}},
		"an empty line":             {[]string{"\n"}, []string{"F "}},
		"lines in one write":        {[]string{"one\ntwo\n\n"}, []string{"F one", "F two", "F "}},
		"a line in pieces":          {[]string{"o", "n", "e\ntw", "o\n"}, []string{"F one", "F two"}},
		"no end":                    {[]string{"one\ntwo"}, []string{"F one", "F two"}},
		"carriage return":           {[]string{"one\r\n"}, []string{"F one\r"}},
		"not text":                  {[]string{"\x00\xff\n"}, []string{"F \x00\xff"}},
		"exactly full":              {[]string{full + "\n"}, []string{"F " + full}},
		"exactly full in pieces":    {[]string{full, "\n"}, []string{"F " + full}},
		"one too long":              {[]string{full + "y\n"}, []string{"P " + full, "F y"}},
		"one too long in pieces":    {[]string{full, "y", "\n"}, []string{"P " + full, "F y"}},
		"two full":                  {[]string{full + full + "\n"}, []string{"P " + full, "F " + full}},
		"long without an end":       {[]string{full + "yy"}, []string{"P " + full, "F yy"}},
		"a full one without an end": {[]string{full}, []string{"F " + full}},
	} {
		t.Run(name, func(t *testing.T) {
			l, file := newLog(t)
			s := l.Stream("stdout")
			for _, w := range c.writes {
				if n, err := s.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("write: %d, %v", n, err)
				}
			}
			l.Flush()
			var want strings.Builder
			for _, r := range c.want {
				fmt.Fprintf(&want, "%s stdout %s\n", stamp, r)
			}
			if got := read(t, file); got != want.String() {
				t.Errorf("got %d bytes %.200q\nwant %d bytes %.200q", len(got), got, want.Len(), want.String())
			}
		})
	}
}

// TestLinesAreThereWhenWriteReturns: a guest that is killed right after its
// write has still logged.
func TestLinesAreThereWhenWriteReturns(t *testing.T) {
	l, file := newLog(t)
	_, _ = l.Stream("stderr").Write([]byte("last words\nand half a"))
	if got := read(t, file); got != stamp+" stderr F last words\n" {
		t.Errorf("got %q", got)
	}
}

func TestStreamsDoNotMix(t *testing.T) {
	l, file := newLog(t)
	out, errs := l.Stream("stdout"), l.Stream("stderr")
	_, _ = out.Write([]byte("half "))
	_, _ = errs.Write([]byte("whole\n"))
	_, _ = out.Write([]byte("line\n"))
	want := stamp + " stderr F whole\n" + stamp + " stdout F half line\n"
	if got := read(t, file); got != want {
		t.Errorf("got %q", got)
	}
}

func TestReopen(t *testing.T) {
	l, file := newLog(t)
	s := l.Stream("stdout")
	_, _ = s.Write([]byte("old\nhalf "))
	next := file + ".next"
	if err := l.Reopen(open(t, next)); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Write([]byte("line\n"))
	if got := read(t, file); got != stamp+" stdout F old\n" {
		t.Errorf("old log %q", got)
	}
	if got := read(t, next); got != stamp+" stdout F half line\n" {
		t.Errorf("new log %q", got)
	}
}

// TestFullDisk logs into a file that can take a few bytes only, then into one
// that can take more.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	name := filepath.Join(dir, "log")
	l := New(open(t, name))
	l.now = func() time.Time { return moment }
	s := l.Stream("stdout")
	if n, err := s.Write([]byte(strings.Repeat("x", 5000) + "\n")); n != 5001 || err != nil {
		t.Fatalf("write: %d, %v: a full disk must not show to the guest", n, err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Write([]byte("after\n"))
	lines := strings.Split(read(t, name), "\n")
	if got := lines[len(lines)-2]; got != stamp+" stdout F after" {
		t.Errorf("after the disk was full: %q", got)
	}
}

// TestConcurrentRecordsStayWhole is what the race detector watches.
func TestConcurrentRecordsStayWhole(t *testing.T) {
	l, file := newLog(t)
	var writers sync.WaitGroup
	for _, name := range []string{"stdout", "stderr"} {
		s := l.Stream(name)
		writers.Go(func() {
			for i := range 500 {
				fmt.Fprintf(s, "%s %d\n", name, i)
			}
		})
	}
	writers.Go(func() {
		for range 20 {
			_ = l.Reopen(open(t, file))
		}
	})
	writers.Wait()
	next := map[string]int{}
	lines := bufio.NewScanner(strings.NewReader(read(t, file)))
	for lines.Scan() {
		var name, again string
		var i int
		if _, err := fmt.Sscanf(lines.Text(), stamp+" %s F %s %d", &name, &again, &i); err != nil || name != again || i != next[name] {
			t.Fatalf("record %q, want %s's number %d", lines.Text(), name, next[name])
		}
		next[name]++
	}
	if next["stdout"] != 500 || next["stderr"] != 500 {
		t.Errorf("records %v", next)
	}
}

// FuzzStream writes arbitrary bytes in arbitrary pieces: what the records hold
// together must be what was written.
func FuzzStream(f *testing.F) {
	f.Add([]byte("a\nb"), uint16(1))
	f.Add(bytes.Repeat([]byte("x"), MaxLine+2), uint16(MaxLine))
	f.Add([]byte("\n\n\r\n\x00"), uint16(3))
	f.Fuzz(func(t *testing.T, text []byte, piece uint16) {
		l, file := newLog(t)
		s := l.Stream("stdout")
		for rest := text; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			_, _ = s.Write(rest[:n])
			rest = rest[n:]
		}
		l.Flush()
		var whole []byte
		for line := range strings.Lines(read(t, file)) {
			record, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), stamp+" stdout ")
			if !ok || len(record) < 2 || len(record)-2 > MaxLine {
				t.Fatalf("record %.100q", line)
			}
			whole = append(whole, record[2:]...)
			if record[0] == 'F' {
				whole = append(whole, '\n')
			}
		}
		want := text
		if len(text) > 0 && text[len(text)-1] != '\n' {
			want = append(bytes.Clone(text), '\n')
		}
		if !bytes.Equal(whole, want) {
			t.Fatalf("records hold %.100q, written was %.100q", whole, want)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	l := New(open(b, os.DevNull))
	s := l.Stream("stdout")
	line := []byte("a line of the usual length, with a few words in it\n")
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		_, _ = s.Write(line)
	}
}
