// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// section is one benchmark's part of the page.
type section struct {
	// begin is the line of the page that it begins after.
	begin string
	// rows are those of its table for what was measured.
	rows func(*result.File) []row
	// more writes further tables.
	more  func(io.Writer, *result.File)
	plots []Drawing
}

// Drawing is a picture, and how it is drawn; false says that nothing of it was measured.
type Drawing struct {
	File, Title string
	Draw        func(*result.File) ([]byte, bool)
}

// sectionOf answers whose results these are.
func sectionOf(f *result.File) section {
	if slices.ContainsFunc(f.Series, func(s result.Series) bool { return strings.HasPrefix(s.Name, kubeletPrefix) }) {
		return section{
			begin: "<!-- results: written by make bench-kubelet -->\n",
			rows:  kubeletRows, more: kubeletTables, plots: kubeletPlots,
		}
	}
	s := section{
		begin: "<!-- results: written by make bench -->\n",
		rows:  func(*result.File) []row { return rows },
		more:  stepTable,
	}
	for _, p := range plots {
		s.plots = append(s.plots, p.Drawing())
	}
	return s
}
