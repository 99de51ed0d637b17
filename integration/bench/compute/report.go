// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/report"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// What is between these lines of a page is the report's.
const (
	begin = "<!-- compute: written by make bench-compute -->\n"
	end   = "<!-- end of compute -->\n"
)

// quotient is a column that compares two sides: how many times as long the one takes
// as the other.
type quotient struct{ title, of, to string }

var quotients = []quotient{
	{"Wazelet : wazero", "wazelet", "wazero"},
	{"flag : wazero", "wazero-flag", "wazero"},
	{"Wazelet : wasmtime", "wazelet", "wasmtime"},
	{"Wazelet : native", "wazelet", "native"},
	{"wasmtime : native", "wasmtime", "native"},
	{"Wazelet : WasmEdge", "wazelet", "wasmedge"},
}

// order is that of the sides in the table.
var order = []string{"native", "wazelet", "wazero", "wazero-flag", "wasmtime", "wasmedge"}

// columns are the sides that were measured, and the quotients of them.
func columns(f *result.File) (sides []result.Side, measured []quotient) {
	has := map[string]bool{}
	for _, name := range order {
		if i := slices.IndexFunc(f.Sides, func(s result.Side) bool { return s.Name == name }); i >= 0 {
			sides = append(sides, f.Sides[i])
			has[name] = true
		}
	}
	for _, q := range quotients {
		if has[q.of] && has[q.to] {
			measured = append(measured, q)
		}
	}
	return sides, measured
}

// table writes the machine and the table of results.
func table(w io.Writer, f *result.File) {
	m := f.Machine
	sides, quotients := columns(f)
	fmt.Fprintf(w, "%s, %d cores, %.0f GiB, Linux %s, %s; %s. Load average between the kernels: %.1f to %.1f.\n\n| milliseconds of a round |",
		m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Go, f.Time.Format("2 January 2006"), slices.Min(m.Load), slices.Max(m.Load))
	for _, s := range sides {
		fmt.Fprintf(w, " %s |", s.Version)
	}
	for _, q := range quotients {
		fmt.Fprintf(w, " %s |", q.title)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|", len(sides)+len(quotients)))
	logs, count := make([]float64, len(quotients)), 0
	for _, k := range kernels {
		if f.Find(k.name, f.Sides[0].Name, "") == nil {
			continue
		}
		count++
		fmt.Fprintf(w, "| %s |", k.title())
		for _, side := range sides {
			s := f.Find(k.name, side.Name, "").Stats()
			fmt.Fprintf(w, " **%s** (%s–%s) |", digits(s.Median), digits(s.P25), digits(s.P75))
		}
		for i, q := range quotients {
			ratio := f.Find(k.name, q.of, "").Stats().Median / f.Find(k.name, q.to, "").Stats().Median
			logs[i] += math.Log(ratio)
			fmt.Fprintf(w, " %s× |", digits(ratio))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "| geometric mean |%s", strings.Repeat("  |", len(sides)))
	for _, sum := range logs {
		fmt.Fprintf(w, " **%s×** |", digits(math.Exp(sum/float64(count))))
	}
	fmt.Fprint(w, "\n\nEach cell is the median of the rounds, and their quartiles.\n")
}

// title is the kernel's name as the table has it.
func (k kernel) title() string {
	words := strings.Split(k.name, "/")
	language := map[string]string{"c": "C", "go": "Go"}[words[0]]
	return strings.Join(append([]string{language + ": " + words[1]}, slices.Concat(k.flags, k.wasmFlags)...), " ")
}

// digits writes about three of them.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// writePage writes the table into a page, and the plot beside it.
func writePage(page string, f *result.File) error {
	var text bytes.Buffer
	table(&text, f)
	plot := report.Plot{File: "compute.svg", Title: "A round's work", Unit: "ms"}
	for _, k := range kernels {
		plot.Lines = append(plot.Lines, report.Line{Label: strings.ReplaceAll(k.name, "/", " "), Name: k.name})
	}
	return report.Section(page, begin, end, text.Bytes(), f, plot.Drawing())
}
