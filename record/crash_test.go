// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/record"
)

const writerEnv = "WAZELET_RECORD_TEST_WRITER"

// writeForEver is the process that TestKilledWriterLeavesWholeRecords kills.
func writeForEver(dir string) {
	s, err := record.Open[pod](dir, 1)
	for i := 0; err == nil; i++ {
		id := fmt.Sprintf("r%d", i%3)
		// Records of very different length: a torn one cannot pass for whole.
		if err = s.Put(id, pod{Name: id, Turn: i, Notes: map[string]string{"pad": strings.Repeat("x", i%7*5000)}}); err == nil && i%5 == 4 {
			err = s.Remove(id)
		}
		fmt.Println(i)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilledWriterLeavesWholeRecords kills a process in the middle of its
// writes, and of the checkpoints between them, again and again: each record is whole
// or absent, and the last one that was told of is there.
func TestKilledWriterLeavesWholeRecords(t *testing.T) {
	dir := t.TempDir()
	for round := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), writerEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		last := 0
		for n := 0; n <= 30*round && lines.Scan(); n++ {
			if last, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("the writer ended by itself: %v", err)
		}
		records, bad := load(t, open(t, dir))
		if len(bad) != 0 {
			t.Fatalf("round %d: %v", round, bad)
		}
		for id, v := range records {
			if v.Name != id {
				t.Errorf("round %d: %s holds %q", round, id, v.Name)
			}
			if v.Turn < last-2 { // the other two ids came after it at most
				t.Errorf("round %d: %s is of turn %d, and %d was told", round, id, v.Turn, last)
			}
		}
		for _, name := range record.Names(t, dir) {
			if !strings.HasSuffix(name, ".json") {
				t.Errorf("round %d: %s is left over", round, name)
			}
		}
	}
}
