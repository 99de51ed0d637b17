// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime/debug"
)

const (
	// callWorkers answer calls one after the other, on stacks that have grown once. Calls
	// beyond them have a goroutine of their own, whose stack grows anew.
	callWorkers = 8
	// gcPercent is how much the heap may grow between two collections, which were a
	// twelfth of the daemon's processor time while pods start with Go's own 100.
	gcPercent = 200
)

// relaxCollector lets the heap grow more than Go's default, unless the environment says
// how much (package runtime, GOGC).
func relaxCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// timerSlack is how much later than asked for a timer of the daemon may be, in nanoseconds
// (proc_pid_timerslack_ns(5)).
const timerSlack = "1000000"

// relaxTimers has all threads' timers be that late, and those of threads to come. The Go
// runtime's own watcher sleeps 20 microseconds at a time for as long as there is work,
// which was a sixth of the daemon's processor time while pods start; nothing here waits
// for less than milliseconds. It needs CAP_SYS_NICE, and is done without otherwise.
func relaxTimers() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, thread := range threads {
		_ = os.WriteFile(fmt.Sprintf("/proc/%s/timerslack_ns", thread.Name()), []byte(timerSlack), 0)
	}
}
