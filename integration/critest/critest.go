// SPDX-License-Identifier: Apache-2.0

// Package critest holds what the CRI validation suite reports against a list of
// those of its specs that do not pass, each with a reason.
package critest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Spec is one spec of the suite and what became of it.
type Spec struct {
	// Name is all of its text, those of the contexts around it first.
	Name string
	// State is ginkgo's word for it.
	State string
	// Failure is where and why it failed, with the end of what it said before; ""
	// when it passed.
	Failure string
}

// States of a Spec; all others are ways to fail.
const (
	Passed  = "passed"
	Skipped = "skipped" // by itself
)

// Conformance says whether the spec is one that every runtime is to pass.
func (s Spec) Conformance() bool { return strings.Contains(s.Name, "[Conformance]") }

// maxSaid bounds, in bytes, how much of what a failed spec said is kept.
const maxSaid = 2 << 10

// Read reads the JSON report of ginkgo (-ginkgo.json-report). The suite's
// benchmarks are left out.
func Read(r io.Reader) ([]Spec, error) {
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts    []string
			LeafNodeType, LeafNodeText string
			State                      string
			CapturedGinkgoWriterOutput string
			Failure                    struct {
				Message  string
				Location struct {
					FileName   string
					LineNumber int
				}
			}
		}
	}
	if err := json.NewDecoder(r).Decode(&suites); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var specs []Spec
	for _, suite := range suites {
		for _, report := range suite.SpecReports {
			s := Spec{Name: strings.Join(append(report.ContainerHierarchyTexts, report.LeafNodeText), " "), State: report.State}
			if report.LeafNodeType != "It" || strings.Contains(s.Name, "benchmark") {
				continue
			}
			if s.State != Passed {
				said := report.CapturedGinkgoWriterOutput
				at := report.Failure.Location
				s.Failure = fmt.Sprintf("%s:%d: %s\n%s", filepath.Base(at.FileName), at.LineNumber, report.Failure.Message, said[max(0, len(said)-maxSaid):])
			}
			specs = append(specs, s)
		}
	}
	return specs, nil
}

// List is the reasons why specs do not pass, by their names.
type List map[string]string

// hostReason begins reasons that are the machine's: on another the spec may pass.
const hostReason = "host: "

// ReadList reads a list: lines of "SPEC # REASON", and lines that begin with "#",
// which say nothing. A reason that begins with "host: " is the machine's, and the
// spec may pass on another.
func ReadList(r io.Reader) (List, error) {
	list := List{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, found := strings.Cut(line, " # ")
		if _, twice := list[name]; !found || twice || reason == "" {
			return nil, fmt.Errorf("list: %q: want SPEC # REASON, and each spec once", line)
		}
		list[name] = reason
	}
	return list, lines.Err()
}
