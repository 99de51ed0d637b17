// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// run is a run in which the first side needs so many ms and the second ten times
// as many, each a little more from sample to sample.
func run(ms float64) *result.File {
	f := &result.File{
		Version: result.Version, Sides: []result.Side{{Name: "a", Version: "a 1"}, {Name: "b", Version: "b <2>"}},
		Machine: result.Machine{CPU: "some", Load: []float64{1, 2}},
	}
	for i := range 20 {
		f.Add("start/small/host", "a", "", "ms", ms*(1+float64(i)/200))
		f.Add("start/small/host", "b", "", "ms", 100*(1+float64(i)/200))
		f.Add("memory/small", "a", "PSS", "MB", 2)
	}
	return f
}

func TestMarkdown(t *testing.T) {
	for ms, want := range map[float64]string{
		5:  "| 20.0× | ≥ 15× | met |",
		10: "| 10.0× | ≥ 15× | **missed** |",
	} {
		var out bytes.Buffer
		Markdown(&out, run(ms))
		if !strings.Contains(out.String(), want) {
			t.Errorf("with %g ms: no %q in\n%s", ms, want, &out)
		}
		if !strings.Contains(out.String(), "| **2.00** (2.00–2.00, p99 2.00) | – |  | ≤ 2.2 | met |") {
			t.Errorf("a side that was not measured:\n%s", &out)
		}
	}
}

func TestCompare(t *testing.T) {
	slower := run(6)
	for _, tt := range []struct {
		name          string
		before, after *result.File
		worse         int
	}{
		{"the same", run(5), run(5), 0},
		{"a fifth slower", run(5), slower, 1},
		{"faster", slower, run(5), 0},
		{"within the tolerance", run(5), run(5.4), 0},
		{"the machine is slower", run(5), twice(run(5)), 0},
	} {
		var out bytes.Buffer
		if worse := Compare(&out, tt.before, tt.after, 0.1); len(worse) != tt.worse {
			t.Errorf("%s: worse are %q\n%s", tt.name, worse, &out)
		}
	}
}

// twice has all times twice as long, on both sides.
func twice(f *result.File) *result.File {
	for _, s := range f.Series {
		for i := range s.Samples {
			if s.Unit == "ms" {
				s.Samples[i] *= 2
			}
		}
	}
	return f
}

func TestPage(t *testing.T) {
	begin := sectionOf(run(5)).begin
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again into what the first time has left
		if err := Page(page, run(5)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); !strings.HasPrefix(s, "before\n") || !strings.HasSuffix(s, end+"after\n") || strings.Contains(s, "old") || !strings.Contains(s, "(page/starts.svg)") {
		t.Errorf("the page is\n%s", s)
	}
	svg, err := os.ReadFile(filepath.Join(filepath.Dir(page), "page", "starts.svg"))
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, svg)
	if !bytes.Contains(svg, []byte("b &lt;2&gt;")) || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("%!")) {
		t.Errorf("%s", svg)
	}
	if err := os.WriteFile(page, []byte(begin), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Page(page, run(5)); err == nil {
		t.Error("a page without the end mark was taken")
	}
}

func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}
