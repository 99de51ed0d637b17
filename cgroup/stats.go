// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/cgroups"
)

// noLimit is above every honest limit and below what the kernel says for none.
const noLimit = 1 << 62

// Stats is what a group used until Time.
type Stats struct {
	Time time.Time
	// CPUUsageNano is the CPU time used, in ns.
	CPUUsageNano uint64
	// MemoryUsage is all memory charged to the group, in bytes, page cache
	// included; MemoryWorkingSet is what of it cannot easily be given back, as
	// cAdvisor counts it: usage without inactive file pages. The kubelet evicts by it.
	MemoryUsage, MemoryWorkingSet uint64
	// MemoryRSS is anonymous memory in bytes.
	MemoryRSS uint64
	// PageFaults and MajorPageFaults count since the group was made.
	PageFaults, MajorPageFaults uint64
	// MemoryLimit is in bytes; 0 is no limit.
	MemoryLimit uint64
	// SwapUsage is in bytes, without memory.
	SwapUsage uint64
	// Pids is the number of tasks.
	Pids uint64
	// The pressure of cgroup v2; nil where the kernel does not tell.
	CPUPressure, MemoryPressure, IOPressure *Pressure
}

// Pressure is how long tasks waited for a resource: some of them, or all at once.
type Pressure struct{ Some, Full PressureTime }

// PressureTime is the share of the last 10, 60 and 300 s in percent, and the
// total in µs.
type PressureTime struct {
	Avg10, Avg60, Avg300 float64
	Total                uint64
}

// Stats reads the group's use. It is errdefs.ErrNotFound when the group is gone.
func (g *Group) Stats() (Stats, error) {
	now := time.Now()
	raw, err := g.manager.GetStats()
	// Files of a group that is gone read as zero or not at all.
	if !g.exists() {
		return Stats{}, fmt.Errorf("cgroup %s: %w", g.path, errdefs.ErrNotFound)
	}
	if err != nil {
		return Stats{}, fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	s := fromLibrary(raw, cgroups.IsCgroup2UnifiedMode())
	s.Time = now
	return s, nil
}

func fromLibrary(raw *cgroups.Stats, unified bool) Stats {
	memory := &raw.MemoryStats
	s := Stats{
		CPUUsageNano:   raw.CpuStats.CpuUsage.TotalUsage,
		MemoryUsage:    memory.Usage.Usage,
		MemoryLimit:    memory.Usage.Limit,
		SwapUsage:      subtract(memory.SwapUsage.Usage, memory.Usage.Usage),
		Pids:           raw.PidsStats.Current,
		CPUPressure:    pressure(raw.CpuStats.PSI),
		MemoryPressure: pressure(memory.PSI),
		IOPressure:     pressure(raw.BlkioStats.PSI),
	}
	if s.MemoryLimit >= noLimit {
		s.MemoryLimit = 0
	}
	prefix, rss := "total_", "total_rss"
	if unified {
		prefix, rss = "", "anon"
	}
	s.MemoryRSS = memory.Stats[rss]
	s.PageFaults = memory.Stats[prefix+"pgfault"]
	s.MajorPageFaults = memory.Stats[prefix+"pgmajfault"]
	s.MemoryWorkingSet = subtract(s.MemoryUsage, memory.Stats[prefix+"inactive_file"])
	return s
}

// subtract is a-b, or 0: the two are read one after the other.
func subtract(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
}

func pressure(p *cgroups.PSIStats) *Pressure {
	if p == nil {
		return nil
	}
	return &Pressure{Some: PressureTime(p.Some), Full: PressureTime(p.Full)}
}

// OOMKills returns how many processes of the group the kernel killed for want
// of memory. It is errdefs.ErrNotFound when the group is gone, or when its host
// has no memory controller.
func (g *Group) OOMKills() (uint64, error) {
	n, err := g.manager.OOMKillCount()
	if gone(err) || err != nil && !g.exists() {
		return 0, fmt.Errorf("cgroup %s: %w", g.path, errdefs.ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return n, nil
}
