// SPDX-License-Identifier: Apache-2.0

package critest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/critest"
)

func TestRead(t *testing.T) {
	const report = `[{"SuiteDescription": "CRI validation", "SpecReports": [
  {"LeafNodeType": "BeforeSuite", "State": "passed"},
  {"ContainerHierarchyTexts": ["Runtime", "pods"], "LeafNodeType": "It", "LeafNodeText": "run [Conformance]", "State": "passed"},
  {"ContainerHierarchyTexts": ["Runtime"], "LeafNodeType": "It", "LeafNodeText": "breaks", "State": "panicked",
   "CapturedGinkgoWriterOutput": "said\n", "Failure": {"Message": "why", "Location": {"FileName": "/a/b.go", "LineNumber": 7}}},
  {"ContainerHierarchyTexts": null, "LeafNodeType": "It", "LeafNodeText": "a benchmark", "State": "skipped"}]}]`
	specs, err := critest.Read(strings.NewReader(report))
	want := []critest.Spec{
		{Name: "Runtime pods run [Conformance]", State: critest.Passed},
		{Name: "Runtime breaks", State: "panicked", Failure: "b.go:7: why\nsaid\n"},
	}
	if err != nil || !slices.Equal(specs, want) {
		t.Errorf("got %+v, %v", specs, err)
	}
	if specs, err := critest.Read(strings.NewReader("[{")); err == nil {
		t.Errorf("half a report: %+v", specs)
	}
}

func TestReadList(t *testing.T) {
	list, err := critest.ReadList(strings.NewReader("# why\n\na spec # a reason # of two parts\nanother # host: old\n"))
	if err != nil || len(list) != 2 || list["a spec"] != "a reason # of two parts" || list["another"] != "host: old" {
		t.Errorf("got %q, %v", list, err)
	}
	for _, bad := range []string{"a spec\n", "a spec # \n", "a spec #reason\n", "one # x\none # y\n"} {
		if list, err := critest.ReadList(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: %q", bad, list)
		}
	}
}

func TestJudge(t *testing.T) {
	specs := []critest.Spec{
		{Name: "good [Conformance]", State: critest.Passed},
		{Name: "good", State: critest.Passed},
		{Name: "apart", State: "failed"},
		{Name: "no such machine", State: critest.Skipped},
		{Name: "such a machine", State: critest.Passed},
	}
	list := critest.List{"apart": "it is", "no such machine": "host: old", "such a machine": "host: old"}
	counts, faults := critest.Judge(specs, list)
	if want := (critest.Counts{Specs: 5, Passed: 3, Failed: 1, Skipped: 1, Conformance: 1, Conforming: 1}); counts != want || len(faults) != 0 {
		t.Errorf("got %+v, %q", counts, faults)
	}
	specs = append(specs,
		critest.Spec{Name: "bad", State: "failed", Failure: "why"},
		critest.Spec{Name: "silent", State: critest.Skipped},
		critest.Spec{Name: "bad [Conformance]", State: "failed"},
	)
	list["good"], list["bad [Conformance]"], list["gone"] = "not good", "hard", "was there"
	counts, faults = critest.Judge(specs, list)
	want := []string{
		"failed, but not listed: bad\nwhy",
		"listed, but a conformance spec: bad [Conformance]",
		"listed, but no spec of the suite: gone",
		"listed, but passes: good",
		"skipped, but not listed: silent\n",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("got %q", faults)
	}
	if want := "8 specs: 3 pass, 2 fail as listed, 1 skip themselves as listed; 1 of 2 conformance specs pass"; counts.String() != want {
		t.Errorf("got %q", counts)
	}
}
