// SPDX-License-Identifier: Apache-2.0

package lab

import (
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
)

func leakOne(stop chan struct{}) {
	go func() { <-stop }()
}

func TestParseGoroutines(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	dump := func() map[string]int {
		b := make([]byte, 1<<20)
		return parseGoroutines("SIGQUIT: quit\nPC=0x0\n\n" + string(b[:goruntime.Stack(b, true)]) + "\n\nrax 0x0\n")
	}
	leakOne(stop)
	before := dump()
	leakOne(stop)
	leakOne(stop)
	more := MoreGoroutines(before, dump())
	if len(more) != 1 || !strings.HasSuffix(more[0], "lab.leakOne: 3, were 1") {
		t.Errorf("more goroutines: %q", more)
	}
}

func TestDiff(t *testing.T) {
	before := Snapshot{Mounts: []string{"/", "/sys"}, NetNS: []string{"a"}, FDs: 10}
	after := Snapshot{Mounts: []string{"/", "/sys", "/x"}, Leases: []string{"10.88.0.2"}, FDs: 10 + fdSlack + 1}
	got := before.Diff(after)
	want := []string{"mount: /x", "IP lease: 10.88.0.2", "file descriptors of wazelet: 19, were 10"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if left := after.Diff(before); !slices.Equal(left, []string{"netns: a"}) {
		t.Errorf("what went away is no leak: %q", left)
	}
}
