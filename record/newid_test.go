// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/record"
)

// TestIDsTellWhoMadeThem: an id is told from those of other runtimes, which are
// 64 random digits too.
func TestIDsTellWhoMadeThem(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := record.NewID()
		if len(id) != 64 || id != strings.ToLower(id) || seen[id] || !record.Made(id) {
			t.Fatalf("%q is no new id of ours", id)
		}
		seen[id] = true
		var foreign [32]byte
		rand.Read(foreign[:])
		if other := hex.EncodeToString(foreign[:]); record.Made(other) {
			t.Fatalf("%q was taken for ours", other)
		}
	}
	for _, other := range []string{"", "0", strings.Repeat("0", 64), strings.Repeat("z", 64), record.NewID()[:63], record.NewID() + "00"} {
		if record.Made(other) {
			t.Errorf("%q was taken for ours", other)
		}
	}
}
