// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/critest"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// critestSkips lists the specs that do not pass.
const critestSkips = "testdata/critest-skips.txt"

// TestCritest runs the whole CRI validation suite with the handler wasm. Every spec
// passes or is in the list of critestSkips; see critest.Judge.
func TestCritest(t *testing.T) {
	t.Parallel()
	list, err := critest.ReadList(strings.NewReader(readFile(t, critestSkips)))
	if err != nil {
		t.Fatalf("%s: %v", critestSkips, err)
	}
	n := newNodeFor(t, 15*time.Minute)
	program := filepath.Join(n.dir, "critest")
	if err := critest.WriteProgram(cluster, program, n.critestImages()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	specs, err := critest.Suite{Program: program, Dir: n.dir, Socket: n.socket(), Handler: "wasm"}.Run(n.ctx, cluster)
	if err != nil {
		t.Fatal(err)
	}
	counts, faults := critest.Judge(specs, list)
	for _, fault := range faults {
		t.Error(fault)
	}
	t.Logf("critest: %s; %s", counts, time.Since(start).Round(time.Second))
}

// critestImages stores the suite's images and returns the hex digits of the digest of
// the one that it pulls by its digest.
func (n *node) critestImages() (digest string) {
	n.t.Helper()
	wasm, err := critest.Wasm()
	if err != nil {
		n.t.Fatal(err)
	}
	digest, err = critest.Push(n.ctx, cluster, wasm)
	if err != nil {
		n.t.Fatal(err)
	}
	return digest
}

// toolboxFiles are the files of an image that has what busybox's has.
func toolboxFiles(t testing.TB) []image.File {
	t.Helper()
	wasm, err := critest.Wasm()
	if err != nil {
		t.Fatal(err)
	}
	return wasm.Files
}
