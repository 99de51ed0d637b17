// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// kubeletPlots are the pictures of what is measured through a kubelet.
var kubeletPlots = []Drawing{
	{"kubelet-pod.svg", onePod.title, onePod.draw},
	{"kubelet-ramp.svg", "Pods made at once: how many are how far", drawRamps},
	{"kubelet-processor.svg", perPod.title, perPod.draw},
}

var onePod = stack{
	title: "One pod, from its creation at the API server to Ready", unit: "ms (medians of the parts)",
	parts: []stackPart{
		{"API server, scheduler", "scheduled"}, {"kubelet, before and between", "kubelet before"},
		{"RunPodSandbox", "RunPodSandbox"}, {"CreateContainer", "CreateContainer"}, {"StartContainer", "StartContainer"},
		{"start known: kubelet, API", "kubelet after"},
	},
	lines: func(f *result.File) (lines []stackLine) {
		for _, side := range f.Sides {
			lines = append(lines, stackLine{side.Version, kubeletPod, side.Name})
		}
		return lines
	},
}

var perPod = stack{
	title: "Processor time per pod while pods start", unit: "ms",
	parts: partiesOf("processor: "),
	lines: func(f *result.File) (lines []stackLine) {
		for _, r := range ramps(f) {
			lines = append(lines, stackLine{r.heading(f), r.name, r.side})
		}
		return lines
	},
}

// partiesOf are those who use processors, without what has nothing to do with pods.
func partiesOf(prefix string) (parts []stackPart) {
	for _, who := range parties[:len(parties)-1] {
		parts = append(parts, stackPart{who, prefix + who})
	}
	return parts
}

// Sizes of a panel of curves, in pixels.
const (
	panelWidth  = 330
	panelHeight = 170
	panelTop    = 60
	panelLeft   = 44
)

// states are what a pod goes through, with their colours.
var states = []struct{ phase, color string }{
	{"accepted", "#94a3b8"}, {"scheduled", "#7c3aed"}, {"started", "#059669"}, {"Ready", "#2563eb"},
}

// drawRamps draws a panel for each crowd: over time, how many pods are accepted by the
// API server, scheduled, started by the runtime, and Ready.
func drawRamps(f *result.File) ([]byte, bool) {
	all := ramps(f)
	if len(all) == 0 {
		return nil, false
	}
	height := panelTop + (len(all)+1)/2*(panelHeight+64)
	var out bytes.Buffer
	open(&out, height, "Pods made at once: how many are how far, over seconds")
	for i, state := range states {
		fmt.Fprintf(&out, `<rect x="%d" y="30" width="12" height="12" fill="%s"/>`+"\n", 12+i*185, state.color)
		text(&out, float64(30+i*185), 41, "start", "#374151", state.phase)
	}
	for i, r := range all {
		r.panel(&out, f, panelLeft+i%2*(panelWidth+panelLeft), panelTop+24+i/2*(panelHeight+64))
	}
	out.WriteString("</svg>\n")
	return out.Bytes(), true
}

// panel draws the curves of one crowd.
func (r ramp) panel(out *bytes.Buffer, f *result.File, left, top int) {
	end := f.Find(r.name, r.side, "Ready").Stats().Max
	text(out, float64(left), float64(top-8), "start", "#111827", r.heading(f))
	fmt.Fprintf(out, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#d1d5db"/>`+"\n", left, top, panelWidth, panelHeight)
	if end == 0 {
		return
	}
	x := func(seconds float64) float64 { return float64(left) + min(1, max(0, seconds/end))*panelWidth }
	y := func(pods float64) float64 { return float64(top) + panelHeight*(1-pods/float64(r.count)) }
	for value := 0.0; value <= end; value += step(end) {
		text(out, x(value), float64(top+panelHeight+16), "middle", "#6b7280", fmt.Sprintf("%.6g", value))
	}
	for _, share := range []float64{0.5, 1} {
		text(out, float64(left-5), y(share*float64(r.count))+4, "end", "#6b7280", fmt.Sprintf("%.0f", share*float64(r.count)))
	}
	for _, state := range states {
		s := f.Find(r.name, r.side, state.phase)
		if s == nil {
			continue
		}
		var points strings.Builder
		fmt.Fprintf(&points, "%.1f,%.1f", x(0), y(0))
		for i, at := range slices.Sorted(slices.Values(s.Samples)) {
			fmt.Fprintf(&points, " %.1f,%.1f", x(at), y(float64(i+1)))
		}
		fmt.Fprintf(out, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", points.String(), state.color)
	}
}
