// SPDX-License-Identifier: Apache-2.0

package freelist

import "testing"

func TestValuesComeBack(t *testing.T) {
	var l List[int]
	a, b := l.Get(), l.Get()
	if a == b {
		t.Fatal("one value handed out twice")
	}
	l.Put(a)
	if got := l.Get(); got != a {
		t.Error("a free value was not reused")
	}
	for range 2 * keep {
		l.Put(new(int))
	}
	if len(l.free) != keep {
		t.Errorf("%d values are kept, want %d", len(l.free), keep)
	}
}
