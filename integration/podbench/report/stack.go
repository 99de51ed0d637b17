// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"math"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// stack is a picture of wholes that are divided: a line each, its parts one after the
// other, on a linear axis.
type stack struct {
	title, unit string
	parts       []stackPart
	lines       func(*result.File) []stackLine
}

// stackPart is a phase with its label.
type stackPart struct{ label, phase string }

// stackLine is a measurement on a side.
type stackLine struct{ label, name, side string }

var shades = []string{
	"#94a3b8", "#64748b", "#a78bfa", "#7c3aed", "#f59e0b", "#2563eb", "#06b6d4", "#10b981", "#d4d4d8", "#e7e5e4",
}

// stackHeight is from one line to the next, in pixels.
const stackHeight = 44

// legendColumns are how many parts are named in a line.
const legendColumns = 3

// draw returns the picture, or false when nothing of it was measured.
func (s stack) draw(f *result.File) ([]byte, bool) {
	lines, longest := s.present(f)
	if len(lines) == 0 || longest == 0 {
		return nil, false
	}
	const left = 240
	top := 48 + 18*((len(s.parts)+legendColumns-1)/legendColumns)
	height := top + len(lines)*stackHeight + 28
	perUnit := (plotWidth - left - 70) / longest
	var out bytes.Buffer
	open(&out, height, s.title+", "+s.unit)
	for i, part := range s.parts {
		x, y := 12+(i%legendColumns)*245, 30+18*(i/legendColumns)
		fmt.Fprintf(&out, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`+"\n", x, y, shades[i%len(shades)])
		text(&out, float64(x+18), float64(y+11), "start", "#374151", part.label)
	}
	for value := 0.0; value <= longest; value += step(longest) {
		x := left + value*perUnit
		fmt.Fprintf(&out, `<line x1="%.1f" y1="%d" x2="%.1[1]f" y2="%[3]d" stroke="#e5e7eb"/>`+"\n", x, top-6, height-22)
		text(&out, x, float64(height-8), "middle", "#6b7280", fmt.Sprintf("%.6g", value))
	}
	for i, line := range lines {
		y := top + i*stackHeight + 8
		text(&out, left-10, float64(y+18), "end", "#111827", line.label)
		x := float64(left)
		for j, part := range s.parts {
			width := f.Find(line.name, line.side, part.phase).Stats().Median * perUnit
			fmt.Fprintf(&out, `<rect x="%.1f" y="%d" width="%.1f" height="28" fill="%s"/>`+"\n", x, y, max(0, width), shades[j%len(shades)])
			x += max(0, width)
		}
		text(&out, x+6, float64(y+18), "start", "#111827", number((x-left)/perUnit))
	}
	out.WriteString("</svg>\n")
	return out.Bytes(), true
}

// present are the lines that were measured, and how long the longest is.
func (s stack) present(f *result.File) (lines []stackLine, longest float64) {
	for _, line := range s.lines(f) {
		sum := 0.0
		for _, part := range s.parts {
			sum += max(0, f.Find(line.name, line.side, part.phase).Stats().Median)
		}
		if sum > 0 {
			lines, longest = append(lines, line), max(longest, sum)
		}
	}
	return lines, longest
}

// step is a round distance of which about five fit.
func step(longest float64) float64 {
	decade := math.Pow(10, math.Floor(math.Log10(longest/5)))
	for _, n := range []float64{1, 2, 5} {
		if n*decade*5 >= longest {
			return n * decade
		}
	}
	return 10 * decade
}

// open begins a picture.
func open(out *bytes.Buffer, height int, title string) {
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, height)
	fmt.Fprintf(out, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, height)
	text(out, 12, 20, "start", "#111827", title)
}
