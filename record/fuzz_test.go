// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzDecode: whatever stands in a file, it is a record of this id or refused;
// what is accepted comes back the same when it is written again.
func FuzzDecode(f *testing.F) {
	whole, err := encode(1, "a", map[string]any{"name": "web <&>", "n": 1.5, "list": []string{"☸", ""}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte(`:1`), []byte(`:9`), 1))
	f.Add(whole[:20])
	f.Add([]byte(`{"version":1,"id":"a","checksum":"` + checksum([]byte("null")) + `","record":null}`))
	f.Add([]byte(`{"version":1,"id":"a","checksum":"` + checksum(nil) + `"}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := decode(data, "a", 1, nil)
		if err != nil {
			return
		}
		var v any
		if json.Unmarshal(body, &v) != nil {
			return
		}
		again, err := encode(1, "a", v)
		if err != nil {
			t.Fatal(err)
		}
		second, err := decode(again, "a", 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := encode(1, "a", second); err != nil || !bytes.Equal(third, again) {
			t.Errorf("%s became %s, %v", again, third, err)
		}
	})
}

// FuzzValidateID: an id that passes names exactly one file in its directory.
func FuzzValidateID(f *testing.F) {
	for _, id := range []string{"a", "..", "a/../b", "a.json", strings.Repeat("f", 64), "", "a\x00b"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if ValidateID(id) != nil {
			return
		}
		name := id + suffix
		if len(id) > maxIDLength || filepath.Base(name) != name || !filepath.IsLocal(name) || strings.HasPrefix(name, tempPrefix) {
			t.Errorf("%q passes", id)
		}
	})
}
