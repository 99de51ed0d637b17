// SPDX-License-Identifier: Apache-2.0

package wasmedge

import (
	"slices"
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi/calls"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
)

// TestEveryFunctionIsCounted holds the list of counters to the functions there are.
func TestEveryFunctionIsCounted(t *testing.T) {
	functions := map[string]bool{}
	for _, name := range slices.Concat(preview1.Functions(preview1.ModuleName), preview1.Functions(preview1.UnstableModuleName)) {
		functions[name] = true
	}
	for name := range forms {
		functions[name] = true
	}
	for _, name := range httpcall.Functions() {
		functions["http_"+name] = true
	}
	for name := range functions {
		if !slices.Contains(calls.Names, name) {
			t.Errorf("%s is not counted", name)
		}
	}
	if len(functions) != len(calls.Names) {
		t.Errorf("%d counters for %d functions", len(calls.Names), len(functions))
	}
}
