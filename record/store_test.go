// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"go.uber.org/goleak"

	"github.com/wazelet/wazelet/record"
)

type pod struct {
	Name  string            `json:"name"`
	Ready bool              `json:"ready,omitempty"`
	Turn  int               `json:"turn,omitempty"`
	Notes map[string]string `json:"notes,omitempty"`
}

var sample = pod{Name: "web <&>", Notes: map[string]string{"emoji": "☸", "quote": `"\`}}

func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		writeForEver(os.Getenv(writerEnv))
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, dir string) *record.Store[pod] {
	t.Helper()
	s, err := record.Open[pod](dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, s *record.Store[pod]) (map[string]pod, []record.Corrupt) {
	t.Helper()
	records, bad, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return records, bad
}

func shut[T any](t *testing.T, s *record.Store[T]) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsSurviveReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	for _, id := range []string{"a", "b.c", "0-1"} {
		if err := s.Put(id, pod{Name: id}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put("a", sample); err != nil { // replaces
		t.Fatal(err)
	}
	if err := s.Remove("b.c"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("never-there"); err != nil {
		t.Errorf("removing an absent record: %v", err)
	}
	shut(t, s)
	records, bad := load(t, open(t, dir))
	if want := map[string]pod{"a": sample, "0-1": {Name: "0-1"}}; !reflect.DeepEqual(records, want) {
		t.Errorf("records %v, want %v", records, want)
	}
	if len(bad) != 0 {
		t.Errorf("corrupt %v", bad)
	}
	if got := record.Names(t, dir); !reflect.DeepEqual(got, []string{"0-1.json", "a.json"}) {
		t.Errorf("files %v", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "a.json")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v: a record may hold secrets", info.Mode(), err)
	}
}

func TestIDsAreFileNames(t *testing.T) {
	s := open(t, t.TempDir())
	for _, id := range []string{"", ".", "..", ".a", "-a", "a/b", "A", "a_b", "a\x00", "ä", strings.Repeat("a", 129)} {
		if err := s.Put(id, sample); !errdefs.IsInvalidArgument(err) {
			t.Errorf("Put(%q): %v", id, err)
		}
		if err := s.Remove(id); !errdefs.IsInvalidArgument(err) {
			t.Errorf("Remove(%q): %v", id, err)
		}
	}
	long := strings.Repeat("a", 128)
	if err := s.Put(long, sample); err != nil {
		t.Error(err)
	}
}

// TestDamagedFilesAreSetAside holds what a lost power supply, a full or a
// failing disk and a stray hand leave behind.
func TestDamagedFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put("good", sample); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	whole, err := os.ReadFile(filepath.Join(dir, "good.json"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"empty":          {},
		"zeros":          make([]byte, len(whole)),
		"half":           whole[:len(whole)/2],
		"garbage":        []byte("\x7fELF\x00"),
		"null":           []byte("null"),
		"array":          []byte("[]"),
		"other-name":     whole,
		"twice":          append(bytes.Clone(renamed(whole, "twice")), whole...),
		"flipped":        bytes.Replace(renamed(whole, "flipped"), []byte("web"), []byte("wab"), 1),
		"no-version":     bytes.Replace(renamed(whole, "no-version"), []byte(`"version":1`), []byte(`"version":0`), 1),
		"other-type":     sealed(t, "other-type", `{"name":7}`),
		"deeply-nested":  sealed(t, "deeply-nested", strings.Repeat("[", 9000)+strings.Repeat("]", 9000)),
		"without-record": []byte(`{"version":1,"id":"without-record","checksum":""}`),
		"huge":           bytes.Repeat([]byte(" "), 5<<20),
	}
	for name, data := range cases {
		write(t, filepath.Join(dir, name+".json"), data)
	}
	write(t, filepath.Join(dir, "foreign.txt"), whole)
	write(t, filepath.Join(dir, "Bad_Name.json"), whole)
	if err := os.Mkdir(filepath.Join(dir, "directory.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("good.json", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	records, bad := load(t, s)
	if want := map[string]pod{"good": sample}; !reflect.DeepEqual(records, want) {
		t.Errorf("records %v, want only the good one", records)
	}
	if want := len(cases) + 4; len(bad) != want {
		t.Errorf("%d reported, want %d: %v", len(bad), want, bad)
	}
	for _, c := range bad {
		if c.Err == nil || filepath.Dir(c.File) != filepath.Join(dir, "corrupt") {
			t.Errorf("%s: %v", c.File, c.Err)
		}
		if _, err := os.Lstat(c.File); err != nil {
			t.Errorf("set aside: %v", err)
		}
	}
	if got := record.Names(t, dir); !reflect.DeepEqual(got, []string{"corrupt", "good.json"}) {
		t.Errorf("files %v", got)
	}
	if _, bad := load(t, s); len(bad) != 0 {
		t.Errorf("reported again: %v", bad)
	}
	write(t, filepath.Join(dir, "half.json"), whole[:5])
	if _, bad := load(t, s); len(bad) != 1 {
		t.Errorf("a second fault of one name: %v", bad)
	}
}

// TestEveryPrefixIsRefused is a file whose tail never reached the disk.
func TestEveryPrefixIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put("p", sample); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	path := filepath.Join(dir, "p.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) - 1 { // the last byte is the newline
		write(t, path, whole[:n])
		if records, bad := load(t, s); len(records) != 0 || len(bad) != 1 {
			t.Fatalf("the first %d of %d bytes: %v, %v", n, len(whole), records, bad)
		}
	}
}

func TestInterruptedPutsAreCleanedUp(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put("a", sample); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "_tmp-123"), []byte(`{"version":1`))
	write(t, filepath.Join(dir, "_tmp-"), nil)
	records, bad := load(t, s)
	if len(records) != 1 || len(bad) != 0 {
		t.Errorf("%v, %v", records, bad)
	}
	if got := record.Names(t, dir); !reflect.DeepEqual(got, []string{"a.json"}) {
		t.Errorf("files %v", got)
	}
}

func TestNewerRecordsStay(t *testing.T) {
	dir := t.TempDir()
	newer, err := record.Open[pod](dir, 2, func(old json.RawMessage) (json.RawMessage, error) { return old, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := newer.Put("a", sample); err != nil {
		t.Fatal(err)
	}
	shut(t, newer)
	records, bad := load(t, open(t, dir))
	if len(records) != 0 || len(bad) != 1 || !errors.Is(bad[0].Err, record.ErrNewerVersion) {
		t.Fatalf("%v, %v", records, bad)
	}
	if records, bad := load(t, newer); !reflect.DeepEqual(records, map[string]pod{"a": sample}) || len(bad) != 0 {
		t.Errorf("after the way back: %v, %v", records, bad)
	}
}

func TestOlderRecordsAreMigrated(t *testing.T) {
	dir := t.TempDir()
	s1 := open(t, dir)
	if err := s1.Put("a", pod{Name: "one"}); err != nil {
		t.Fatal(err)
	}
	shut(t, s1)
	type podV3 struct{ Title string }
	rename := func(from, to string) record.Migration {
		return func(old json.RawMessage) (json.RawMessage, error) {
			return bytes.Replace(old, []byte(from), []byte(to), 1), nil
		}
	}
	s, err := record.Open[podV3](dir, 3, rename("name", "label"), rename("label", "title"))
	if err != nil {
		t.Fatal(err)
	}
	records, bad, err := s.Load()
	if err != nil || len(bad) != 0 || records["a"].Title != "one" {
		t.Errorf("%v, %v, %v", records, bad, err)
	}
	if _, err := record.Open[podV3](dir, 3); err == nil {
		t.Error("a version without its migrations was accepted")
	}
	refuse := func(json.RawMessage) (json.RawMessage, error) { return nil, errors.New("no") }
	failing, err := record.Open[podV3](dir, 2, refuse)
	if err != nil {
		t.Fatal(err)
	}
	if records, bad, err := failing.Load(); err != nil || len(records) != 0 || len(bad) != 1 {
		t.Errorf("%v, %v, %v", records, bad, err)
	}
}

func TestErrorsNameTheRecord(t *testing.T) {
	dir := t.TempDir()
	s, err := record.Open[any](dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put("a", make(chan int)); err == nil || !strings.Contains(err.Error(), "record a:") {
		t.Errorf("%v", err)
	}
	if err := s.Put("b", strings.Repeat("x", 4<<20)); err == nil || !strings.Contains(err.Error(), "record b:") {
		t.Errorf("%v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Put("c", 1); err == nil || !strings.Contains(err.Error(), "record c:") {
		t.Errorf("%v", err)
	}
	if _, _, err := s.Load(); err == nil {
		t.Error("a directory that is gone loads as empty")
	}
	write(t, dir, nil)
	if _, err := record.Open[any](dir, 1); err == nil {
		t.Error("opened a file as the directory")
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func renamed(file []byte, id string) []byte {
	return bytes.Replace(file, []byte(`"id":"good"`), []byte(`"id":"`+id+`"`), 1)
}

// sealed is a file with the right checksum around any record.
func sealed(t *testing.T, id, body string) []byte {
	t.Helper()
	dir := t.TempDir()
	s, err := record.Open[json.RawMessage](dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(id, json.RawMessage(body)); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	data, err := os.ReadFile(filepath.Join(dir, id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
