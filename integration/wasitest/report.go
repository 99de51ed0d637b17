// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
)

// count is of cases.
type count struct{ passed, all int }

// report prints a line per case as it ends, and at the end a table of counts.
type report struct {
	out       io.Writer
	languages []string // in the order of their first case
	counts    map[string]count
}

func newReport(out io.Writer) *report { return &report{out: out, counts: map[string]count{}} }

func (r *report) add(c testCase, o outcome) {
	n, known := r.counts[c.language]
	if !known {
		r.languages = append(r.languages, c.language)
	}
	n.all++
	verdict := "FAIL"
	if len(o.faults) == 0 {
		n.passed++
		verdict = "ok"
	}
	r.counts[c.language] = n
	fmt.Fprintf(r.out, "%-4s  %-56s %6.2fs\n", verdict, c, o.took.Seconds())
	for _, fault := range o.faults {
		fmt.Fprintf(r.out, "      %s\n", fault)
	}
	if len(o.faults) > 0 && o.stderr != "" {
		fmt.Fprintf(r.out, "      | %s\n", strings.ReplaceAll(strings.TrimRight(o.stderr, "\n"), "\n", "\n      | "))
	}
}

// end prints the counts and says whether all is well.
func (r *report) end() bool {
	var total count
	fmt.Fprintf(r.out, "\n%-16s %6s %6s\n", "suite", "passed", "of")
	for _, language := range r.languages {
		n := r.counts[language]
		fmt.Fprintf(r.out, "%-16s %6d %6d\n", language, n.passed, n.all)
		total.passed += n.passed
		total.all += n.all
	}
	fmt.Fprintf(r.out, "%-16s %6d %6d\n", "total", total.passed, total.all)
	return total.passed == total.all
}
