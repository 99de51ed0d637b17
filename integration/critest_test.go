// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/critest"
)

// critestSkips lists the specs that do not pass.
const critestSkips = "testdata/critest-skips.txt"

// critestProcesses is how many specs run at once. They mostly wait.
const critestProcesses = 4

// TestCritest runs the whole CRI validation suite with the handler wasm. Every spec
// passes or is in the list of critestSkips; see critest.Judge.
func TestCritest(t *testing.T) {
	t.Parallel()
	list, err := critest.ReadList(strings.NewReader(readFile(t, critestSkips)))
	if err != nil {
		t.Fatalf("%s: %v", critestSkips, err)
	}
	n := newNodeFor(t, 15*time.Minute)
	program := n.critestProgram(n.critestImages())
	start := time.Now()
	specs := n.critest(program)
	counts, faults := critest.Judge(specs, list)
	for _, fault := range faults {
		t.Error(fault)
	}
	t.Logf("critest: %s; %s", counts, time.Since(start).Round(time.Second))
}

// critest runs the suite and returns what became of its specs.
func (n *node) critest(program string) []critest.Spec {
	n.t.Helper()
	endpoint, file, tmp := "unix://"+n.socket(), filepath.Join(n.dir, "report.json"), filepath.Join(n.dir, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		n.t.Fatal(err)
	}
	defer n.unmount(tmp)
	// It looks for ginkgo in PATH, and leaves files behind, and shared memory.
	out, failed := cluster.Command(n.ctx, "unshare", "--ipc", "env", "TMPDIR="+tmp, "PATH="+cluster.PartsDir()+":"+os.Getenv("PATH"), program,
		"-runtime-endpoint", endpoint, "-image-endpoint", endpoint, "-runtime-handler", "wasm",
		"-parallel", strconv.Itoa(critestProcesses), "-ginkgo.no-color", "-ginkgo.json-report", file)
	report, err := os.Open(file)
	if err != nil {
		n.t.Fatalf("critest: %v, %v\n%s", failed, err, tail(out.Stdout+out.Stderr, 16<<10))
	}
	defer report.Close()
	specs, err := critest.Read(report)
	if err != nil || len(specs) == 0 {
		n.t.Fatalf("critest: %v, %v\n%s", failed, err, tail(out.Stdout+out.Stderr, 16<<10))
	}
	return specs
}

// unmount takes back what specs that failed have left mounted below a folder.
func (n *node) unmount(dir string) {
	n.t.Helper()
	for line := range strings.Lines(readFile(n.t, fmt.Sprintf("/proc/%d/mountinfo", n.daemon.Process.Pid))) {
		if point := strings.Fields(line)[4]; strings.HasPrefix(point, dir+"/") {
			if _, err := cluster.Command(n.ctx, "umount", point); err != nil {
				n.t.Error(err)
			}
		}
	}
}
