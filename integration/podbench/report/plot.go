// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// Plot is a picture of some rows: for each side a bar from the first to the third
// quartile, a line from the least to the 99th percentile, and the median, on a
// logarithmic axis.
type Plot struct {
	// File is its name, in the folder beside the page.
	File string
	// Title and Unit are written above it.
	Title, Unit string
	Lines       []Line
}

// Line is a row of a plot: a series of every side.
type Line struct{ Label, Name, Phase string }

var plots = []Plot{
	{"starts.svg", "From the first call to the first answer", "ms", []Line{
		{"small, host network", "start/small/host", ""},
		{"small, CNI bridge", "start/small/ipv4", ""},
		{"small, 4 clients", "clients/small/host", ""},
		{"Go, host network", "start/go/host", ""},
		{"31 MB, host network", "start/large/host", ""},
		{"job, to its end", "start/job/host", ""},
	}},
	{"phases.svg", "A small server's start, call by call", "ms", []Line{
		{"RunPodSandbox", "start/small/host", "RunPodSandbox"},
		{"CreateContainer", "start/small/host", "CreateContainer"},
		{"StartContainer", "start/small/host", "StartContainer"},
		{"first answer", "start/small/host", "first answer"},
		{"stop + remove", "stop+remove/small/host", ""},
	}},
	{"memory.svg", "Memory of an idle pod (PSS)", "MB", []Line{
		{"small", "memory/small", "PSS"},
		{"Go", "memory/go", "PSS"},
		{"31 MB", "memory/large", "PSS"},
	}},
}

// Sizes of a plot, in pixels.
const (
	plotWidth  = 760
	labelWidth = 160
	barHeight  = 12
	barSpace   = 18 // from one bar to the next
	plotTop    = 64
)

var colors = []string{"#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2"}

// scale maps values to pixels, by decades.
type scale struct{ low, high float64 }

func (s scale) x(v float64) float64 {
	v = math.Log10(max(v, s.low))
	low, high := math.Log10(s.low), math.Log10(s.high)
	return labelWidth + (v-low)/(high-low)*(plotWidth-labelWidth-24)
}

// Drawing is the picture of the plot.
func (p Plot) Drawing() Drawing { return Drawing{p.File, p.Title, p.draw} }

// draw returns the picture, or false when nothing of it was measured.
func (p Plot) draw(f *result.File) ([]byte, bool) {
	lines, s := p.present(f)
	if len(lines) == 0 {
		return nil, false
	}
	lineHeight := 8 + barSpace*len(f.Sides)
	height := plotTop + len(lines)*lineHeight + 28
	var out bytes.Buffer
	open(&out, height, p.Title+", "+p.Unit)
	for i, side := range f.Sides {
		x := 12 + i*min(220, (plotWidth-24)/len(f.Sides))
		fmt.Fprintf(&out, `<rect x="%d" y="30" width="12" height="12" fill="%s"/>`+"\n", x, colors[i%len(colors)])
		text(&out, float64(x+18), 41, "start", "#374151", side.Version)
	}
	p.axis(&out, s, height)
	for i, l := range lines {
		y := plotTop + i*lineHeight
		text(&out, labelWidth-10, float64(y+lineHeight/2+4), "end", "#111827", l.Label)
		for j, side := range f.Sides {
			bar(&out, s, f.Find(l.Name, side.Name, l.Phase), y+6+j*barSpace, colors[j%len(colors)])
		}
	}
	out.WriteString("</svg>\n")
	return out.Bytes(), true
}

// present are the lines of what was measured, and the scale that holds them.
func (p Plot) present(f *result.File) (lines []Line, s scale) {
	low, high := math.Inf(1), 0.0
	for _, l := range p.Lines {
		measured := false
		for _, side := range f.Sides {
			if t := f.Find(l.Name, side.Name, l.Phase).Stats(); t.N > 0 && t.Min > 0 {
				low, high, measured = min(low, t.Min), max(high, t.P99), true
			}
		}
		if measured {
			lines = append(lines, l)
		}
	}
	return lines, scale{low: math.Pow(10, math.Floor(math.Log10(low))), high: math.Pow(10, math.Ceil(math.Log10(high*1.001)))}
}

func (p Plot) axis(out *bytes.Buffer, s scale, height int) {
	for decade := s.low; decade <= s.high*1.0001; decade *= 10 {
		for _, step := range []float64{1, 2, 5} {
			v := decade * step
			if v > s.high*1.0001 {
				break
			}
			fmt.Fprintf(out, `<line x1="%.1f" y1="%d" x2="%.1[1]f" y2="%[3]d" stroke="#e5e7eb"/>`+"\n", s.x(v), plotTop-8, height-22)
			text(out, s.x(v), float64(height-8), "middle", "#6b7280", fmt.Sprintf("%.6g", v))
		}
	}
}

func bar(out *bytes.Buffer, s scale, series *result.Series, y int, color string) {
	t := series.Stats()
	if t.N == 0 {
		return
	}
	middle := float64(y) + barHeight/2
	fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f" stroke="%[4]s"/>`+"\n", s.x(t.Min), middle, s.x(t.P99), color)
	fmt.Fprintf(out, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="0.35"/>`+"\n",
		s.x(t.P25), y, max(1, s.x(t.P75)-s.x(t.P25)), barHeight, color)
	fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", s.x(t.Median), middle, color)
	text(out, min(s.x(t.P99), plotWidth-60)+6, middle+4, "start", color, number(t.Median))
}

func text(out *bytes.Buffer, x, y float64, anchor, color, s string) {
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">`, x, y, anchor, color)
	_ = xml.EscapeText(out, []byte(s)) // a buffer takes everything
	out.WriteString("</text>\n")
}
