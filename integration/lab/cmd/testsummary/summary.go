// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json (go doc test2json; build events: go help
// buildjson).
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string
	Elapsed                       float64
}

// counts are of tests; subtests count as tests.
type counts struct{ passed, failed, skipped int }

type summary struct {
	out      io.Writer
	tests    counts
	packages counts
	// per holds the counts of each package that runs.
	per map[string]*counts
	// output holds what each test that runs, or package, has written.
	output map[string]*strings.Builder
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, per: map[string]*counts{}, output: map[string]*strings.Builder{}}
}

// read takes in all events. Lines that are no events are passed on.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(s.out, line)
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if strings.HasPrefix(e.Output, "=== ") {
			return // RUN, PAUSE, CONT: nobody's words
		}
		if s.output[key] == nil {
			s.output[key] = &strings.Builder{}
		}
		s.output[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
		} else {
			s.endTest(e)
		}
		delete(s.output, key)
	}
}

func (s *summary) endTest(e event) {
	if s.per[e.Package] == nil {
		s.per[e.Package] = &counts{}
	}
	s.tests.add(e.Action)
	s.per[e.Package].add(e.Action)
	if e.Action == "fail" {
		fmt.Fprintf(s.out, "FAIL  %s %s (%.2fs)\n%s", e.Package, e.Test, e.Elapsed, s.written(e))
	}
}

func (s *summary) endPackage(e event) {
	s.packages.add(e.Action)
	n := s.per[e.Package]
	switch {
	case e.Action == "fail":
		fmt.Fprintf(s.out, "FAIL  %s (%.1fs)\n%s", e.Package, e.Elapsed, s.written(e))
		// Tests that were running when the package ended, as in a panic.
		for key, output := range s.output {
			if pkg, test, _ := strings.Cut(key, " "); pkg == e.Package && test != "" {
				fmt.Fprintf(s.out, "unfinished %s\n%s", test, output)
				delete(s.output, key)
			}
		}
	case n != nil:
		fmt.Fprintf(s.out, "ok    %-60s %5.1fs %4d tests\n", e.Package, e.Elapsed, n.passed)
	}
}

func (s *summary) written(e event) string {
	if b := s.output[e.Package+" "+e.Test]; b != nil {
		return b.String()
	}
	return ""
}

func (c *counts) add(action string) {
	switch action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
	case "skip":
		c.skipped++
	}
}

// end prints the counts and says whether all is well. No test at all is not.
func (s *summary) end() bool {
	verdict, good := "PASS", s.packages.failed == 0 && s.tests.failed == 0 && s.tests.passed > 0
	if !good {
		verdict = "FAIL"
	}
	fmt.Fprintf(s.out, "%s  tests: %d passed, %d failed, %d skipped; packages: %d passed, %d failed, %d without tests\n",
		verdict, s.tests.passed, s.tests.failed, s.tests.skipped, s.packages.passed, s.packages.failed, s.packages.skipped)
	return good
}
