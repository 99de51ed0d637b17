// SPDX-License-Identifier: Apache-2.0

// Package process tells what processes hold and have used, as the kernel counts it.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// perSecond is USER_HZ, as all architectures of ours have it.
const perSecond = 100

// Time answers the processor time of a process, and of those of its children that it
// has waited for: utime, stime, cutime and cstime of proc_pid_stat(5), the 12th to the
// 15th word after the name, which is in parentheses.
func Time(pid int) (own, children time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	words := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(words) < 15 {
		return 0, 0, fmt.Errorf("process %d: %q", pid, text)
	}
	var ticks [4]int64
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(words[11+i], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("process %d: %w", pid, err)
		}
	}
	return time.Duration(ticks[0]+ticks[1]) * time.Second / perSecond, time.Duration(ticks[2]+ticks[3]) * time.Second / perSecond, nil
}

// Busy answers the processor time that the machine has used for anything, and what its
// host has kept from it.
func Busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	words := strings.Fields(first)
	if len(words) < 9 {
		return 0, fmt.Errorf("/proc/stat: %q", first)
	}
	var sum int64
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // user nice system, irq softirq steal
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / perSecond, nil
}

// CgroupTime answers the processor time of all that was ever in a cgroup, and below it.
func CgroupTime(cgroup string) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/cpuacct", cgroup, "cpuacct.usage"))
	if err == nil {
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(n), err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	text, err = os.ReadFile(filepath.Join("/sys/fs/cgroup", cgroup, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if usec, found := strings.CutPrefix(line, "usage_usec "); found {
			n, err := strconv.ParseInt(strings.TrimSpace(usec), 10, 64)
			return time.Duration(n) * time.Microsecond, err
		}
	}
	return 0, fmt.Errorf("cgroup %s: no usage_usec in %q", cgroup, text)
}
