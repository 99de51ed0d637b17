// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"testing"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func TestTrapsAreOfFewKinds(t *testing.T) {
	for message, want := range map[string]string{
		"wasm trap: unreachable":                              "unreachable",
		"wasm trap: out of bounds memory access":              "out_of_bounds_memory_access",
		"wasm trap: uncaught exception":                       "uncaught_exception",
		"wasm trap: whatever a hostile worker writes here 17": "other",
		"host fault: bug":                                     "host_fault",
		"worker crashed: fatal error: x":                      "worker_crash",
		"":                                                    "",
		"the container used more memory than its limit":       "",
	} {
		if got := trapKind(spec.Exit{Message: message}); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
	if knownReason("x") != "Other" || knownReason(ReasonOOMKilled) != ReasonOOMKilled {
		t.Error("reasons are not bounded")
	}
}
