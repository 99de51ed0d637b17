// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrape returns the metrics as Prometheus gets them.
func scrape(t *testing.T) string {
	t.Helper()
	answer := httptest.NewRecorder()
	Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func TestWhatIsToldIsServed(t *testing.T) {
	Build("v1", "abc")
	end := RPC("RunPodSandbox")
	inFlight := scrape(t)
	end("OK")
	failed := errors.New("no")
	if err := Do(t.Context(), StepCNI, func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("the step's error became %v", err)
	}
	Compile(time.Second, CompileRefused)
	ModuleCache(CacheHit)
	gone := Worker()
	Exit("OOMKilled", "")
	Exit("Error", "unreachable")
	Pull()(nil)
	Pull()(failed)
	Pull()
	Received(1000)
	stop := EventReader()
	EventReaderCutOff()
	WASICalls(func() map[string]uint64 { return map[string]uint64{"fd_read": 7} })
	text := scrape(t)
	for _, want := range []string{
		`wazelet_build_info{revision="abc",version="v1"} 1`,
		`wazelet_rpc_in_flight{method="RunPodSandbox"} 0`,
		`wazelet_rpc_duration_seconds_count{code="OK",method="RunPodSandbox"} 1`,
		`wazelet_step_duration_seconds_count{result="error",step="cni"} 1`,
		`wazelet_compile_duration_seconds_count{result="refused"} 1`,
		`wazelet_module_cache_requests_total{result="hit"} 1`,
		`wazelet_workers 1`,
		`wazelet_container_exits_total{reason="OOMKilled"} 1`,
		`wazelet_guest_traps_total{kind="unreachable"} 1`,
		`wazelet_image_pull_duration_seconds_count{result="ok"} 1`,
		`wazelet_image_pull_duration_seconds_count{result="error"} 1`,
		`wazelet_image_pull_bytes_total 1000`,
		`wazelet_image_pulls_in_progress 1`,
		`wazelet_event_readers 1`,
		`wazelet_event_readers_cut_off_total 1`,
		`wazelet_wasi_calls_total{function="fd_read"} 7`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("not served: %s", want)
		}
	}
	if want := `wazelet_rpc_in_flight{method="RunPodSandbox"} 1`; !strings.Contains(inFlight, want) {
		t.Errorf("not served during the call: %s", want)
	}
	gone()
	stop()
	WASICalls(nil)
	if text := scrape(t); !strings.Contains(text, "\nwazelet_workers 0") || !strings.Contains(text, "\nwazelet_event_readers 0") || strings.Contains(text, "fd_read") {
		t.Error("what is gone is still counted")
	}
}

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "([^"]+)", unit: "", constLabels: \{\}, variableLabels: \{([^}]*)\}`)

// TestMetricsAreDocumented holds docs/metrics.md to the instruments.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range own {
		descs := make(chan *prometheus.Desc, 1)
		c.Describe(descs)
		text := (<-descs).String()
		match := described.FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("the form of a description has changed: %s", text)
		}
		row := fmt.Sprintf("| `%s` | %s | %s |\n", match[1], strings.ReplaceAll(match[3], ",", ", "), match[2])
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/metrics.md lacks the row\n%s", row)
		}
	}
	for _, step := range []Step{StepNetNS, StepTurn, StepCNI, StepFiles, StepResolve, StepFetch, StepPrepare, StepRoot, StepCgroup,
		StepSpawn, StepConfine, StepModule, StepLoad, StepGate, StepDetach} {
		if !strings.Contains(string(page), "`"+string(step)+"`") {
			t.Errorf("docs/metrics.md does not say what the step %s is", step)
		}
	}
}

// BenchmarkStep is what a step costs where nobody traces.
func BenchmarkStep(b *testing.B) {
	for b.Loop() {
		_, end := Begin(b.Context(), StepCgroup)
		end(nil)
	}
}
