// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/wazelet/wazelet/runtime/wasi/calls"
)

// callsFile is where a container's worker counts its guest's host calls.
func (c *Controller) callsFile(id string) string { return filepath.Join(c.dir(id), "calls") }

// createCalls makes the file that a worker counts in.
func createCalls(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(calls.Size); err != nil {
		f.Close()
		return nil, fmt.Errorf("counters: %w", err)
	}
	return f, nil
}

// callTotals adds up the host calls of all containers since this daemon started.
// A container is counted from begin or adopt to end; its numbers are read from its
// file, and one that cannot be read adds nothing.
type callTotals struct {
	mu      sync.Mutex
	ended   map[string]uint64   // by function
	running map[*entry]struct{} // those that are counted
}

// begin counts a container's calls beyond what was counted before.
func (t *callTotals) begin(e *entry, before []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running == nil {
		t.running = map[*entry]struct{}{}
	}
	t.running[e], e.counted = struct{}{}, before
}

// adopt counts a container that an earlier daemon started.
func (t *callTotals) adopt(e *entry, file string) {
	if before, err := readCalls(file); err == nil {
		t.begin(e, before)
	}
}

// end keeps a container's last numbers; one that was not counted has none.
func (t *callTotals) end(e *entry, file string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, counted := t.running[e]; !counted {
		return
	}
	delete(t.running, e)
	if t.ended == nil {
		t.ended = map[string]uint64{}
	}
	addCalls(t.ended, file, e.counted)
}

// wasiCalls returns how often each host function was called.
func (c *Controller) wasiCalls() map[string]uint64 {
	t := &c.calls
	t.mu.Lock()
	defer t.mu.Unlock()
	totals := map[string]uint64{}
	for function, n := range t.ended {
		totals[function] = n
	}
	for e := range t.running {
		addCalls(totals, c.callsFile(e.container().ID), e.counted)
	}
	return totals
}

// addCalls adds what a file says beyond before.
func addCalls(totals map[string]uint64, file string, before []uint64) {
	values, err := readCalls(file)
	if err != nil {
		return
	}
	for i, n := range values {
		if len(before) == len(values) {
			n -= min(n, before[i])
		}
		if n > 0 {
			totals[calls.Names[i]] += n
		}
	}
}

func readCalls(file string) ([]uint64, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return calls.Read(f)
}
