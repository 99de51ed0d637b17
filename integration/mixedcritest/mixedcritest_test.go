// SPDX-License-Identifier: Apache-2.0

package mixedcritest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/critest"
)

// skips lists the specs that do not pass with the handler wasm, on any node.
const skips = "../testdata/critest-skips.txt"

// runs counts the runs of the suite, each of which has a folder of its own.
var runs int

// critestOf runs the suite and returns what became of its specs.
func critestOf(t *testing.T, socket, handler string, only ...string) []critest.Spec {
	t.Helper()
	runs++
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	start := time.Now()
	specs, err := critest.Suite{
		Program: program, Dir: filepath.Join(cluster.Dir(), fmt.Sprintf("critest-%d", runs)),
		Socket: socket, Handler: handler, Only: only,
	}.Run(ctx, cluster)
	if err != nil {
		t.Fatal(err)
	}
	passed, skipped, conforming := 0, 0, 0
	for _, s := range specs {
		switch {
		case s.State == critest.Passed && s.Conformance():
			conforming++
			passed++
		case s.State == critest.Passed:
			passed++
		case s.State == critest.Skipped:
			skipped++
		}
	}
	t.Logf("%s with the handler %s: %d specs, %d pass, %d of them conformance specs, %d skip themselves; %s",
		filepath.Base(socket), handler, len(specs), passed, conforming, skipped, time.Since(start).Round(time.Second))
	return specs
}

// TestDelegate: through wazelet, the suite says of containerd what it says of it alone,
// spec by spec. Some of the specs race with the log of a container that has ended, so
// those that differ are run again, by themselves. Conformance specs are not.
func TestDelegate(t *testing.T) {
	var again []string
	for _, d := range critest.Compare(critestOf(t, cluster.ContainerdSocket(), "runc"), critestOf(t, cluster.Socket(), "runc")) {
		if d.Direct.Conformance() || d.Through.Conformance() {
			t.Error(d)
			continue
		}
		t.Logf("to be run again: %s", d)
		again = append(again, d.Name)
	}
	if len(again) == 0 {
		return
	}
	for _, d := range critest.Compare(critestOf(t, cluster.ContainerdSocket(), "runc", again...), critestOf(t, cluster.Socket(), "runc", again...)) {
		t.Error(d)
	}
}

// TestWasm: with the handler wasm, a node of both kinds passes what one of Wasm alone
// does. The suite pulls some images for no pod, which is for the default handler.
func TestWasm(t *testing.T) {
	content, err := os.ReadFile(skips)
	if err != nil {
		t.Fatal(err)
	}
	list, err := critest.ReadList(strings.NewReader(string(content)))
	if err != nil {
		t.Fatalf("%s: %v", skips, err)
	}
	if err := cluster.RestartRuntimeWithDefault(t.Context(), "wasm"); err != nil {
		t.Fatal(err)
	}
	_, faults := critest.Judge(critestOf(t, cluster.Socket(), "wasm"), list)
	for _, fault := range faults {
		t.Error(fault)
	}
}
