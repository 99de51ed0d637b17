// SPDX-License-Identifier: Apache-2.0

package result

import (
	"bytes"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Describe says what the run is done on. What cannot be read stays empty.
func (m *Machine) Describe() {
	var name unix.Utsname
	_ = unix.Uname(&name)
	m.Kernel = string(bytes.TrimRight(name.Release[:], "\x00"))
	m.CPU, m.Cores, m.Go = after("/proc/cpuinfo", "model name"), goruntime.NumCPU(), goruntime.Version()
	_, _ = fmt.Sscan(after("/proc/meminfo", "MemTotal"), &m.Memory)
	m.Memory *= 1024
	m.Cgroups = "v1"
	var fs unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &fs); err == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
		m.Cgroups = "v2"
	}
}

// after returns what follows the key in a file of /proc.
func after(file, key string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, key); found {
			return strings.TrimSpace(strings.TrimLeft(rest, "\t :"))
		}
	}
	return ""
}

// LoadAverage is that of the last minute, -1 if it cannot be read.
func LoadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	var load float64
	if err == nil {
		_, err = fmt.Sscan(string(text), &load)
	}
	if err != nil {
		return -1
	}
	return load
}
