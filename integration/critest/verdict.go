// SPDX-License-Identifier: Apache-2.0

package critest

import (
	"fmt"
	"slices"
	"strings"
)

// Counts are how many specs there are of each kind.
type Counts struct {
	Specs                   int // of the suite, without its benchmarks
	Passed                  int
	Failed                  int // and are listed
	Skipped                 int // by themselves, and are listed
	Conformance, Conforming int
}

// String tells them in one line.
func (c Counts) String() string {
	return fmt.Sprintf("%d specs: %d pass, %d fail as listed, %d skip themselves as listed; %d of %d conformance specs pass",
		c.Specs, c.Passed, c.Failed, c.Skipped, c.Conforming, c.Conformance)
}

// Judge holds the specs against the list. The faults, of which none may be, are
// specs that do not pass and are not listed; listed ones that pass, that are no
// spec of the suite, or that are conformance specs.
func Judge(specs []Spec, list List) (counts Counts, faults []string) {
	known := map[string]bool{}
	for _, s := range specs {
		known[s.Name] = true
		reason, listed := list[s.Name]
		if fault := s.fault(reason, listed); fault != "" {
			faults = append(faults, fault)
		}
		counts.add(s, listed)
	}
	for name := range list {
		if !known[name] {
			faults = append(faults, "listed, but no spec of the suite: "+name)
		}
	}
	slices.Sort(faults)
	return counts, faults
}

func (s Spec) fault(reason string, listed bool) string {
	switch {
	case listed && s.Conformance():
		return "listed, but a conformance spec: " + s.Name
	case listed && s.State == Passed && !strings.HasPrefix(reason, hostReason):
		return "listed, but passes: " + s.Name
	case !listed && s.State != Passed:
		return s.State + ", but not listed: " + s.Name + "\n" + s.Failure
	}
	return ""
}

func (c *Counts) add(s Spec, listed bool) {
	c.Specs++
	if s.Conformance() {
		c.Conformance++
	}
	switch {
	case s.State == Passed:
		c.Passed++
		if s.Conformance() {
			c.Conforming++
		}
	case listed && s.State == Skipped:
		c.Skipped++
	case listed:
		c.Failed++
	}
}
