// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Goroutines returns how many goroutines wazelet has, by the function that created
// them. It asks in the one way that every Go program answers: SIGQUIT, whose dump
// goes to the log, and then starts wazelet again and waits until it answers. Pods
// do not notice.
func (c *Cluster) Goroutines(ctx context.Context) (map[string]int, error) {
	d := c.daemon("wazelet")
	if d == nil {
		return nil, fmt.Errorf("goroutines of wazelet: it does not run")
	}
	before, err := os.Stat(d.log)
	if err != nil {
		return nil, err
	}
	if err := c.stopDaemon("wazelet", unix.SIGQUIT, 20*time.Second); err != nil {
		return nil, err
	}
	log, err := os.ReadFile(d.log)
	if err != nil {
		return nil, err
	}
	if err := c.StartRuntime(ctx); err != nil {
		return nil, err
	}
	dump := string(log[min(before.Size(), int64(len(log))):])
	counts := parseGoroutines(dump)
	if len(counts) == 0 {
		return nil, fmt.Errorf("goroutines of wazelet: no dump in %s", d.log)
	}
	return counts, c.waitRuntime(ctx)
}

var createdBy = regexp.MustCompile(`(?m)^created by (\S+)`)

// parseGoroutines counts the goroutines of a dump by their creator. The main
// goroutine and the runtime's own have none and are not counted.
func parseGoroutines(dump string) map[string]int {
	counts := map[string]int{}
	for _, block := range strings.Split(dump, "\n\n") {
		if !strings.HasPrefix(strings.TrimLeft(block, "\n"), "goroutine ") {
			continue
		}
		if m := createdBy.FindStringSubmatch(block); m != nil {
			counts[m[1]]++
		}
	}
	return counts
}

// MoreGoroutines lists the creators that have more goroutines in after than in
// before.
func MoreGoroutines(before, after map[string]int) []string {
	var more []string
	for creator, n := range after {
		if n > before[creator] {
			more = append(more, fmt.Sprintf("%s: %d, were %d", creator, n, before[creator]))
		}
	}
	return more
}
