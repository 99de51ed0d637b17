// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A digest is kept until somebody touches the file, even if its size and the time of
// its last write are what they were.
func TestDigestsAreKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "module.wasm")
	var d digests
	of := func(content string, later time.Duration) string {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		return digestNow(t, &d, name, later)
	}
	first := of("one", 0)
	if len(d.known) != 0 {
		t.Error("kept though it may still be written to unseen")
	}
	if again := digestNow(t, &d, name, time.Minute); again != first || len(d.known) != 1 {
		t.Errorf("%s is not %s, or is not kept", again, first)
	}
	for id := range d.known {
		d.known[id] = "kept"
	}
	if kept := digestNow(t, &d, name, time.Minute); kept != "kept" {
		t.Errorf("read again: %s", kept)
	}
	if other := of("two", time.Minute); other == "kept" || other == first {
		t.Errorf("another module has %s", other)
	}
	if back := of("one", time.Minute); back != first {
		t.Errorf("the first one has %s", back)
	}
	if len(d.known) != 3 {
		t.Errorf("%d digests", len(d.known))
	}
}

func digestNow(t *testing.T, d *digests, name string, later time.Duration) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	digest, err := d.at(f, time.Now().Add(later))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}
