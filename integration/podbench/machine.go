// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// describe says what the run was done on. What cannot be read stays empty.
func describe(m *result.Machine) {
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
