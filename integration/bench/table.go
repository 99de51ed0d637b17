// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

func median[T cmp.Ordered](values []T) T {
	if len(values) == 0 {
		var zero T
		return zero
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// describe prints what was measured, and where.
func describe(out io.Writer) {
	var m result.Machine
	m.Describe()
	fmt.Fprintf(out, "%s, %d cores, Linux %s, load %.2f before; %s", m.CPU, m.Cores, m.Kernel, result.LoadAverage(), m.Go)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/tetratelabs/wazero" || dep.Path == "github.com/bytecodealliance/wasmtime-go/v39" {
				fmt.Fprintf(out, ", %s %s", strings.Split(dep.Path, "/")[2], dep.Version)
			}
		}
	}
	fmt.Fprintln(out)
}

// callTable has a row for each piece of work and a column for each engine.
type callTable struct{ rows []callRow }

type callRow struct {
	name  string
	times [][]time.Duration // of each engine, of each round
}

func (t *callTable) print(out io.Writer) {
	fmt.Fprint(out, "\n| time of one |")
	for _, e := range engines {
		fmt.Fprintf(out, " %s |", e.name)
	}
	for _, e := range engines[1:] {
		fmt.Fprintf(out, " %s : Wazelet |", e.name)
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("---:|", 2*len(engines)-1))
	for _, row := range t.rows {
		fmt.Fprintf(out, "| %s |", row.name)
		medians := make([]time.Duration, len(engines))
		for i, times := range row.times {
			medians[i] = median(times)
			fmt.Fprintf(out, " %s |", duration(medians[i]))
		}
		for _, m := range medians[1:] {
			fmt.Fprintf(out, " %.2f |", float64(m)/float64(medians[0]))
		}
		fmt.Fprintln(out)
	}
}

// duration has three digits at least.
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1e3)
	}
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1e3)
}
