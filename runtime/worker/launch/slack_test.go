// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/guests/tiny"
)

// TestOnlyTheGuestsTimersAreExact: whoever else waits in a worker may wake late.
func TestOnlyTheGuestsTimersAreExact(t *testing.T) {
	c := define(t, moduleFile(t, tiny.Pause("up\n")))
	c.start()
	c.awaitLog()
	const late, exact = "1000000", "50000"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		slack := timerSlack(t, c.process.Pid)
		if slack[exact] == 1 && slack[late] > 1 && len(slack) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("threads by their timers' slack: %v", slack)
		}
	}
	if err := c.process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.wait()
}

// timerSlack counts a process's threads by the slack of their timers.
func timerSlack(t *testing.T, pid int) map[string]int {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	slack := map[string]int{}
	for _, thread := range threads {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%s/timerslack_ns", thread.Name()))
		if err != nil {
			t.Fatal(err)
		}
		slack[strings.TrimSpace(string(raw))]++
	}
	return slack
}
