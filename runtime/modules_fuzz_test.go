// SPDX-License-Identifier: Apache-2.0

package runtime

import "testing"

// FuzzParseEntry reads records of cache entries that were damaged.
func FuzzParseEntry(f *testing.F) {
	f.Add([]byte(`{"module":"sha256:a","platform":"p","size":1,"files":{"code":"00"}}`))
	f.Add([]byte(`{"module":"","files":null}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseEntry(raw)
		if err == nil && (r.Module == "" || r.Platform == "" || r.Size < 0) {
			t.Errorf("record %+v", r)
		}
	})
}
