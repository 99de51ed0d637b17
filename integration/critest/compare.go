// SPDX-License-Identifier: Apache-2.0

package critest

import (
	"cmp"
	"fmt"
	"slices"
)

// Difference is a spec that ended otherwise in one run than in the other. In a run that
// has it not, its state is "".
type Difference struct {
	Name            string
	Direct, Through Spec
}

// String tells what became of it in both runs.
func (d Difference) String() string {
	return fmt.Sprintf("%s: directly %q, through the router %q\n--- directly\n%s--- through the router\n%s",
		d.Name, d.Direct.State, d.Through.State, d.Direct.Failure, d.Through.Failure)
}

// Compare holds two runs of the suite against each other, spec by spec.
func Compare(direct, through []Spec) (differences []Difference) {
	byName := map[string]Spec{}
	for _, s := range through {
		byName[s.Name] = s
	}
	for _, s := range direct {
		if other := byName[s.Name]; other.State != s.State {
			differences = append(differences, Difference{s.Name, s, other})
		}
		delete(byName, s.Name)
	}
	for name, s := range byName {
		differences = append(differences, Difference{Name: name, Through: s})
	}
	slices.SortFunc(differences, func(a, b Difference) int { return cmp.Compare(a.Name, b.Name) })
	return differences
}
