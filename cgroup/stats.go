// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
)

// noLimit is above every honest limit and below what the kernel says for none.
const noLimit = 1 << 62

// Stats is all that is known of what a group used until Time, with all groups below it.
type Stats struct {
	Usage
	// CPUUserNano and CPUSystemNano are the parts of the CPU time, which the kernel
	// measures less exactly.
	CPUUserNano, CPUSystemNano uint64
	// Throttling is what the CPU quota cost.
	Throttling Throttling
	// MemoryDetail says more of where the memory went.
	MemoryDetail MemoryDetail
	// Processes are the processes, Pids all tasks: the threads. PidsLimit bounds
	// Pids; 0 is no limit.
	Processes, Pids, PidsLimit uint64
	// Hugepages are by page size, such as "2MB".
	Hugepages map[string]Hugepages
	// Devices are the block devices that were read and written.
	Devices []DeviceIO
}

// Throttling counts the periods of a CPU quota: all, those in which the group
// had to wait, and for how long in ns.
type Throttling struct{ Periods, Throttled, Nano uint64 }

// MemoryDetail is in bytes: pages of files, those of them that are mapped,
// recently used and not, what the kernel uses for the group, and the most there
// was at once.
type MemoryDetail struct {
	Cache, MappedFile, ActiveFile, InactiveFile, Kernel, Peak uint64
	// LimitHits counts how often the limit was reached.
	LimitHits uint64
}

// Hugepages is in bytes: now, and the most there was at once; v2 does not tell that.
type Hugepages struct{ Usage, Peak uint64 }

// DeviceIO is what passed between a group and one block device.
type DeviceIO struct {
	Major, Minor          uint64
	ReadBytes, WriteBytes uint64
	Reads, Writes         uint64 // operations
}

// Pressure is how long tasks waited for a resource: some of them, or all at once.
type Pressure struct{ Some, Full PressureTime }

// PressureTime is the share of the last 10, 60 and 300 s in percent, and the
// total in µs.
type PressureTime struct {
	Avg10, Avg60, Avg300 float64
	Total                uint64
}

// Stats reads all of the group's use. It is errdefs.ErrNotFound when the group is gone.
func (g *Group) Stats() (Stats, error) {
	usage, err := g.Usage()
	if err != nil {
		return Stats{}, err
	}
	raw, err := g.read()
	processes, pidsErr := g.pids()
	// Files of a group that is gone read as zero or not at all.
	if !g.exists() {
		return Stats{}, fmt.Errorf("cgroup %s: %w", g.path, errdefs.ErrNotFound)
	}
	if err = errors.Join(err, pidsErr); err != nil {
		return Stats{}, fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	unified := cgroups.IsCgroup2UnifiedMode()
	s := fromLibrary(raw, unified)
	s.Usage, s.Processes = usage, uint64(len(processes))
	if unified {
		s.MemoryDetail.LimitHits = g.limitHits()
	}
	return s, nil
}

// measured are the hierarchies of v1 that Stats is about. The library's manager
// reads those of no use too, cpusets alone in a dozen files.
var measured = []interface {
	Name() string
	GetStats(dir string, to *cgroups.Stats) error
}{
	&fs.MemoryGroup{}, &fs.CpuGroup{}, &fs.CpuacctGroup{}, &fs.PidsGroup{}, &fs.BlkioGroup{}, &fs.HugetlbGroup{},
}

func (g *Group) read() (*cgroups.Stats, error) {
	if cgroups.IsCgroup2UnifiedMode() {
		return g.manager.GetStats()
	}
	stats := cgroups.NewStats()
	for _, hierarchy := range measured {
		dir := g.manager.Path(hierarchy.Name())
		if dir == "" {
			continue
		}
		if err := hierarchy.GetStats(dir, stats); err != nil {
			return nil, err
		}
	}
	return stats, nil
}

// Processes lists the processes of the group and of groups below it, but for this one;
// none when the group is gone.
func (g *Group) Processes() ([]int, error) {
	pids, err := g.pids()
	// This process is there with a thread that starts another: see Enter.
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == os.Getpid() }), err
}

// limitHits is v2's counter of a memory limit that was reached; 0 where there is
// no memory controller.
func (g *Group) limitHits() uint64 {
	events, err := cgroups.ReadFile(g.dir(), "memory.events")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(events) {
		if value, ok := strings.CutPrefix(line, "max "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(value), 10, 64) // the kernel's own number
			return n
		}
	}
	return 0
}

// fromLibrary is what Usage does not have.
func fromLibrary(raw *cgroups.Stats, unified bool) Stats {
	memory := &raw.MemoryStats
	s := Stats{
		CPUUserNano:   raw.CpuStats.CpuUsage.UsageInUsermode,
		CPUSystemNano: raw.CpuStats.CpuUsage.UsageInKernelmode,
		Throttling: Throttling{
			Periods: raw.CpuStats.ThrottlingData.Periods, Throttled: raw.CpuStats.ThrottlingData.ThrottledPeriods,
			Nano: raw.CpuStats.ThrottlingData.ThrottledTime,
		},
		Pids:      raw.PidsStats.Current,
		PidsLimit: limit(raw.PidsStats.Limit),
		Devices:   devices(raw.BlkioStats),
	}
	prefix, mapped := "total_", "total_mapped_file"
	s.MemoryDetail = MemoryDetail{
		Cache: memory.Stats["total_cache"], Kernel: memory.KernelUsage.Usage,
		Peak: memory.Usage.MaxUsage, LimitHits: memory.Usage.Failcnt,
	}
	if unified {
		prefix, mapped = "", "file_mapped"
		s.MemoryDetail.Cache, s.MemoryDetail.Kernel = memory.Stats["file"], memory.Stats["kernel"]
	}
	s.MemoryDetail.MappedFile = memory.Stats[mapped]
	s.MemoryDetail.ActiveFile = memory.Stats[prefix+"active_file"]
	s.MemoryDetail.InactiveFile = memory.Stats[prefix+"inactive_file"]
	for size, h := range raw.HugetlbStats {
		if s.Hugepages == nil {
			s.Hugepages = map[string]Hugepages{}
		}
		s.Hugepages[size] = Hugepages{Usage: h.Usage, Peak: h.MaxUsage}
	}
	return s
}

// limit is a limit as the kernel tells it, 0 for none.
func limit(v uint64) uint64 {
	if v >= noLimit {
		return 0
	}
	return v
}

// devices brings the counters of one device together. v1 counts "Total" and
// more beside the two that v2 has.
func devices(raw cgroups.BlkioStats) []DeviceIO {
	var list []DeviceIO
	find := func(e cgroups.BlkioStatEntry) *DeviceIO {
		for i := range list {
			if list[i].Major == e.Major && list[i].Minor == e.Minor {
				return &list[i]
			}
		}
		list = append(list, DeviceIO{Major: e.Major, Minor: e.Minor})
		return &list[len(list)-1]
	}
	for _, e := range raw.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			find(e).ReadBytes += e.Value
		case "write":
			find(e).WriteBytes += e.Value
		}
	}
	for _, e := range raw.IoServicedRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			find(e).Reads += e.Value
		case "write":
			find(e).Writes += e.Value
		}
	}
	return list
}

// subtract is a-b, or 0: the two are read one after the other.
func subtract(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
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
