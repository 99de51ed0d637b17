// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// Markdown writes the machine and the table of results.
func Markdown(w io.Writer, f *result.File) {
	m := f.Machine
	fmt.Fprintf(w, "%s, %d cores, %.0f GiB, Linux %s, cgroup %s, %s; %s. Load average between the measurements: %s.\n\n",
		m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Cgroups, m.Go, f.Time.Format("2 January 2006"), spread(m.Load))
	fmt.Fprint(w, "| what | unit |")
	for _, side := range f.Sides {
		fmt.Fprintf(w, " %s |", side.Version)
	}
	fmt.Fprintf(w, " ratio | target | |\n|---|---|%s---:|---:|---|\n", strings.Repeat("---:|", len(f.Sides)))
	section := sectionOf(f)
	for _, r := range section.rows(f) {
		r.write(w, f)
	}
	fmt.Fprint(w, "\nEach cell is the median, then the quartiles and the 99th percentile. The rows, measured again:\n\n")
	seen := map[string]bool{}
	for _, r := range section.rows(f) {
		if c := r.command(); !seen[c] && f.Find(r.name, f.Sides[0].Name, r.phase) != nil {
			seen[c] = true
			fmt.Fprintf(w, "- `%s`\n", c)
		}
	}
	section.more(w, f)
}

func (r row) write(w io.Writer, f *result.File) {
	first := f.Find(r.name, f.Sides[0].Name, r.phase)
	if first == nil {
		return
	}
	var second *result.Series
	fmt.Fprintf(w, "| %s | %s |", r.what, first.Unit)
	for i, side := range f.Sides {
		s := f.Find(r.name, side.Name, r.phase)
		if i == 1 {
			second = s
		}
		fmt.Fprintf(w, " %s |", cell(s))
	}
	ratio := ""
	a, b := r.value(first), r.value(second)
	if better := r.better(a, b); better != 0 {
		ratio = number(better) + "×"
	}
	target, met := r.verdict(a, b)
	mark := ""
	if target != "" {
		mark = map[bool]string{true: "met", false: "**missed**"}[met]
	}
	fmt.Fprintf(w, " %s | %s | %s |\n", ratio, target, mark)
}

func cell(s *result.Series) string {
	t := s.Stats()
	switch {
	case t.N == 0:
		return "–"
	case t.N < 4:
		return "**" + number(t.Median) + "**"
	}
	return fmt.Sprintf("**%s** (%s–%s, p99 %s)", number(t.Median), number(t.P25), number(t.P75), number(t.P99))
}

// number has about three digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func spread(values []float64) string {
	s := result.Series{Samples: values}
	t := s.Stats()
	return fmt.Sprintf("%.1f to %.1f", t.Min, t.Max)
}
