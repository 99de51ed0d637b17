// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// throughKubelet is a run of which the first side's daemon uses so many percent of a
// core while 500 pods are idle.
func throughKubelet(percent float64) *result.File {
	f := &result.File{
		Version: result.Version, Sides: []result.Side{{Name: "a", Version: "a 1"}, {Name: "b", Version: "b <2>"}},
		Machine: result.Machine{CPU: "some", Load: []float64{1, 2}},
	}
	for _, side := range []string{"a", "b"} {
		for i := range 5 {
			f.Add(kubeletPod, side, "", "ms", 700+float64(i))
			f.Add(kubeletPod, side, "scheduled", "ms", 20)
			f.Add(kubeletPod, side, "kubelet before", "ms", 310)
			f.Add(kubeletPod, side, "RunPodSandbox", "ms", 200)
			f.Add(kubeletDelete, side, "", "ms", 1000)
		}
		crowd(f, "kubelet/ramp/4", side, 4)
	}
	crowd(f, "kubelet/ramp/500", "a", 500)
	crowd(f, "kubelet/ramp/500/quick", "a", 500)
	f.Add("kubelet/ramp/500", "a", "idle: daemon", "% of a core", percent)
	f.Add("kubelet/ramp/500", "a", "calls: list_containers", "1/s", 1.5)
	return f
}

func crowd(f *result.File, name, side string, count int) {
	for i := range count {
		f.Add(name, side, "accepted", "s", 0.01*float64(i))
		f.Add(name, side, "Ready", "s", 0.1*float64(i+1))
	}
	f.Add(name, side, "all Ready", "s", 0.1*float64(count))
	f.Add(name, side, "pods/s", "1/s", 10)
	f.Add(name, side, "processor: kubelet", "ms", 36)
	f.Add(name, side, "processor: all else", "ms", 1000)
}

func TestKubeletMarkdown(t *testing.T) {
	for percent, verdict := range map[float64]string{0.5: "met", 2: "**missed**"} {
		var out bytes.Buffer
		Markdown(&out, throughKubelet(percent))
		for _, want := range []string{
			"| create → Ready, one pod | ms | **702** (701–703, p99 704) | **702** (701–703, p99 704) | 1.00× |",
			"| 500 pods at once: create → all Ready | s | **50.0** | – |",
			"| 500 pods, kubelet unlimited at once: create → all Ready |",
			" – |  | ≤ 1 | " + verdict + " |",
			"| kubelet | 36.0 | 36.0 | 36.0 | 36.0 |",
			"| list_containers | 1.50 |",
			"- `make bench-kubelet-pods BENCH='-only kubelet/pod'`\n- `make bench-kubelet-pods BENCH='-only kubelet/ramp/4'`\n",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("with %g %%: no %q in\n%s", percent, want, &out)
			}
		}
	}
}

func TestKubeletCompare(t *testing.T) {
	var out bytes.Buffer
	worse := Compare(&out, throughKubelet(0.5), throughKubelet(0.7), 0.1)
	if len(worse) != 1 || worse[0] != "… idle: the runtime's daemon" {
		t.Errorf("worse are %q\n%s", worse, &out)
	}
}

// TestBothSections holds that each run of one program leaves the other's part as it is.
func TestBothSections(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	pods, kubelet := run(5), throughKubelet(0.5)
	text := "before\n" + sectionOf(pods).begin + end + "between\n" + sectionOf(kubelet).begin + "old\n" + end + "after\n"
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*result.File{kubelet, pods, kubelet} {
		if err := Page(page, f); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(content)
	for _, want := range []string{"before\n", "small server, host network", "between\n", "one pod", "(page/kubelet-ramp.svg)", end + "after\n"} {
		_, rest, found := strings.Cut(got, want)
		if !found {
			t.Fatalf("no %q, in this order, in\n%s", want, content)
		}
		got = rest
	}
	for _, p := range kubeletPlots {
		svg, err := os.ReadFile(filepath.Join(filepath.Dir(page), "page", p.File))
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, svg)
		if !bytes.Contains(svg, []byte("<rect")) || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) || bytes.Contains(svg, []byte("%!")) {
			t.Errorf("%s", svg)
		}
	}
}

func TestStep(t *testing.T) {
	for longest, want := range map[float64]float64{1: 0.2, 4: 1, 50: 10, 700: 200, 999: 200, 1001: 500} {
		if got := step(longest); got < want*0.999 || got > want*1.001 {
			t.Errorf("step(%g) is %g, want %g", longest, got, want)
		}
	}
}
