// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/record"
)

// FuzzLoad: whatever stands in a file, it is a record or it is set aside; what
// was accepted comes back the same after a Put.
func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	s, err := record.Open[pod](dir, 1)
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Put("a", sample); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "a.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte(`:1`), []byte(`:9`), 1))
	f.Add(whole[:20])
	f.Add([]byte(`{"version":1,"id":"a","checksum":"sha256:","record":null}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		s := open(t, dir)
		write(t, filepath.Join(dir, "a.json"), data)
		records, bad := load(t, s)
		if len(records)+len(bad) != 1 {
			t.Fatalf("%d records, %d reported", len(records), len(bad))
		}
		if v, ok := records["a"]; ok {
			if err := s.Put("a", v); err != nil {
				t.Fatal(err)
			}
			if again, _ := load(t, s); !reflect.DeepEqual(again, records) {
				t.Errorf("%v became %v", records, again)
			}
		}
	})
}

// FuzzValidateID: an id that passes names exactly one file in its directory.
func FuzzValidateID(f *testing.F) {
	for _, id := range []string{"a", "..", "a/../b", "a.json", strings.Repeat("f", 64), "", "a\x00b"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if record.ValidateID(id) != nil {
			return
		}
		name := id + ".json"
		if len(id) > 128 || filepath.Base(name) != name || !filepath.IsLocal(name) || strings.HasPrefix(name, "_") {
			t.Errorf("%q passes", id)
		}
	})
}
