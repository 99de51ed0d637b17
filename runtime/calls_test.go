// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/runtime"
)

var callSeries = regexp.MustCompile(`(?m)^wazelet_wasi_calls_total\{function="([a-z_]+)"\} (\d+)$`)

// wasiCalls is what Prometheus is told.
func wasiCalls() map[string]int {
	answer := httptest.NewRecorder()
	observe.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	all := map[string]int{}
	for _, match := range callSeries.FindAllStringSubmatch(answer.Body.String(), -1) {
		all[match[1]], _ = strconv.Atoi(match[2])
	}
	return all
}

// TestHostCallsAreCounted: beside a guest that goes on, after one that was killed,
// and across daemons, each of which counts from its own start.
func TestHostCallsAreCounted(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("calls")
	if got := wasiCalls(); len(got) != 0 {
		t.Errorf("before any guest: %v", got)
	}
	pause := d.create(sb, d.pull("pause:1", tiny.Pause("up\n")), nil)
	d.must(d.containers.Start(t.Context(), pause.ID))
	d.logged(pause, "up")
	if got := wasiCalls(); got["fd_write"] != 1 {
		t.Errorf("while a guest runs that has written a line: %v", got)
	}
	short := d.create(sb, d.pull("print:1", tiny.Print("a\n", "b\n", 3)), func(c *runtime.Config) { c.Name, c.LogPath = "short", "" })
	d.must(d.containers.Start(t.Context(), short.ID))
	d.ended(short.ID)
	if got := wasiCalls(); got["fd_write"] != 3 || got["proc_exit"] != 1 {
		t.Errorf("with the two of a guest that has ended: %v", got)
	}
	d.must(d.containers.Remove(t.Context(), short.ID))

	d.close()
	if got := wasiCalls(); len(got) != 0 {
		t.Errorf("without a daemon: %v", got)
	}
	d.open()
	if got := wasiCalls(); len(got) != 0 {
		t.Errorf("calls from before the daemon's start: %v", got)
	}
	d.must(d.containers.Stop(t.Context(), pause.ID, 0))
	if got := wasiCalls(); got["fd_write"] != 0 {
		t.Errorf("after a kill: %v", got)
	}
}
