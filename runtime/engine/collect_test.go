// SPDX-License-Identifier: Apache-2.0

package engine

import (
	goruntime "runtime"
	"runtime/debug"
	"testing"
)

// TestIdleCollects: a guest that waits has its worker's garbage taken away, whatever
// the bound of the heap is.
func TestIdleCollects(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	c := NewCollector()
	c.limit = 1 << 40
	garbage := make([]byte, 8<<20)
	before := c.heap()
	goruntime.KeepAlive(garbage)
	c.Idle()
	if after := c.heap(); after > before-4<<20 {
		t.Errorf("%d bytes of heap were left of %d", after, before)
	}
	if c.limit == 1<<40 {
		t.Error("the next collection is as far away as before")
	}
}
