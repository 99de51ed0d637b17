// SPDX-License-Identifier: Apache-2.0

package critest_test

import (
	"slices"
	"testing"

	"github.com/wazelet/wazelet/integration/critest"
)

func TestCompare(t *testing.T) {
	direct := []critest.Spec{
		{Name: "good", State: critest.Passed},
		{Name: "bad", State: "failed", Failure: "one why\n"},
		{Name: "none", State: critest.Skipped},
		{Name: "gone", State: critest.Passed},
		{Name: "worse", State: critest.Passed},
	}
	through := []critest.Spec{
		{Name: "worse", State: "failed", Failure: "because\n"},
		{Name: "none", State: critest.Skipped},
		{Name: "bad", State: "failed", Failure: "another why\n"},
		{Name: "good", State: critest.Passed},
		{Name: "new", State: critest.Passed},
	}
	want := []critest.Difference{
		{Name: "gone", Direct: direct[3]},
		{Name: "new", Through: through[4]},
		{Name: "worse", Direct: direct[4], Through: through[0]},
	}
	got := critest.Compare(direct, through)
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if text := got[2].String(); text != "worse: directly \"passed\", through the router \"failed\"\n--- directly\n--- through the router\nbecause\n" {
		t.Errorf("told as %q", text)
	}
	if got := critest.Compare(direct, direct); len(got) != 0 {
		t.Errorf("the same: %v", got)
	}
}
