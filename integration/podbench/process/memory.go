// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Pods says which processes are those of pods.
type Pods struct {
	// Cgroup is the one that the pods' cgroups are in.
	Cgroup string
	// Shim is what the command lines of processes begin with that pods have beside
	// those in their cgroups, and ShimArg what they have among their arguments.
	Shim, ShimArg string
}

// Memory is what is held, in MB.
type Memory struct {
	Pods      []float64 // PSS of each process that belongs to pods
	PSS       float64   // their sum
	Daemon    float64   // anonymous memory of the daemon
	Available float64   // of the machine
}

// Look looks at the memory of the pods and of their daemon.
func (p Pods) Look(daemon int) (m Memory, err error) {
	pids, err := p.Find()
	if err != nil {
		return m, err
	}
	for _, pid := range pids {
		pss, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return m, err
		}
		m.Pods, m.PSS = append(m.Pods, pss), m.PSS+pss
	}
	if m.Daemon, err = field(fmt.Sprintf("/proc/%d/smaps_rollup", daemon), "Pss_Anon:"); err != nil {
		return m, err
	}
	m.Available, err = field("/proc/meminfo", "MemAvailable:")
	return m, err
}

// PerPod answers the memory of each pod; with several processes in each only the mean
// means something.
func (m Memory) PerPod(pods int) []float64 {
	if len(m.Pods) != pods {
		return []float64{m.PSS / float64(pods)}
	}
	return m.Pods
}

// Find answers the processes in the pods' cgroups, and the shims.
func (p Pods) Find() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		groups, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cgroup"))
		if err != nil {
			continue // ended meanwhile
		}
		if strings.Contains(string(groups), p.Cgroup+"/") || p.isShim(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Shims answers the shims alone.
func (p Pods) Shims() ([]int, error) {
	pids, err := p.Find()
	return slices.DeleteFunc(pids, func(pid int) bool { return !p.isShim(pid) }), err
}

func (p Pods) isShim(pid int) bool {
	if p.Shim == "" {
		return false
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	words := strings.Split(string(line), "\x00")
	return strings.HasPrefix(filepath.Base(words[0]), p.Shim) && slices.Contains(words, p.ShimArg)
}

// field reads a number of kB from a file of /proc, in MB.
func field(file, name string) (float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == name {
			kb, err := strconv.ParseFloat(words[1], 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("%s: no %s", file, name)
}
