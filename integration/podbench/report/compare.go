// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// Compare writes a table of what has changed from one run to another, and returns
// the rows that became worse by more than the tolerance (0.1 is a tenth) and more
// than the samples scatter. Where the second side was measured in both runs, its
// change is taken for the machine's and taken out.
func Compare(w io.Writer, before, after *result.File, tolerance float64) (worse []string) {
	fmt.Fprint(w, "| what | unit | before | after | machine | change | |\n|---|---|---:|---:|---:|---:|---|\n")
	for _, r := range sectionOf(after).rows(after) {
		old, now := before.Find(r.name, before.Sides[0].Name, r.phase), after.Find(r.name, after.Sides[0].Name, r.phase)
		if old == nil || now == nil {
			continue
		}
		machine := r.machine(before, after)
		a, b := r.value(old)*machine, r.value(now)
		if a == 0 {
			continue
		}
		change := b/a - 1
		bad := change
		if r.more {
			bad = a/max(b, 1e-9) - 1
		}
		mark := ""
		switch {
		case bad > tolerance && r.apart(old, now, machine):
			mark = "**worse**"
			worse = append(worse, r.what)
		case bad < -tolerance:
			mark = "better"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | ×%.2f | %+.0f %% | %s |\n", r.what, now.Unit, cell(old), cell(now), machine, change*100, mark)
	}
	return worse
}

// machine is by how much the second side's numbers have changed, 1 if unknown.
func (r row) machine(before, after *result.File) float64 {
	if len(before.Sides) < 2 || len(after.Sides) < 2 || before.Sides[1].Name != after.Sides[1].Name {
		return 1
	}
	side := before.Sides[1].Name
	old, now := r.value(before.Find(r.name, side, r.phase)), r.value(after.Find(r.name, side, r.phase))
	if old == 0 || now == 0 {
		return 1
	}
	return now / old
}

// apart tells whether the middle halves of the samples do not overlap. Few samples
// say nothing about that, and are believed.
func (r row) apart(old, now *result.Series, machine float64) bool {
	a, b := old.Stats(), now.Stats()
	if a.N < 4 || b.N < 4 {
		return true
	}
	if r.more {
		return b.P75 < a.P25*machine
	}
	return b.P25 > a.P75*machine
}
