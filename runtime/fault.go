// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"slices"
	"strings"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// faults are the traps of WebAssembly, as the engine words them.
var faults = []string{
	"unreachable", "out of bounds memory access", "integer divide by zero", "integer overflow", "invalid conversion to integer",
	"indirect call type mismatch", "invalid table access", "stack overflow", "null reference", "uncaught exception",
}

// trapKind says in one word by what fault of its own a guest ended, "" for any
// other end. The words are few, whatever a record says.
func trapKind(exit spec.Exit) string {
	if trap, ok := strings.CutPrefix(exit.Message, "wasm trap: "); ok {
		for _, fault := range faults {
			if strings.HasPrefix(trap, fault) {
				return strings.ReplaceAll(fault, " ", "_")
			}
		}
		return "other"
	}
	switch {
	case strings.HasPrefix(exit.Message, "host fault: "):
		return "host_fault"
	case strings.HasPrefix(exit.Message, "worker crashed: "):
		return "worker_crash"
	default:
		return ""
	}
}

// knownReason bounds the reasons that are counted.
func knownReason(reason string) string {
	if slices.Contains([]string{ReasonCompleted, ReasonError, ReasonOOMKilled, ReasonUnknown}, reason) {
		return reason
	}
	return "Other"
}
