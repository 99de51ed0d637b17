// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/cgroups"
)

// Usage is what a group used until Time, with all groups below it: what those who
// watch every group of a node look at.
type Usage struct {
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
	// SwapLimit is in bytes, without memory; nil is no limit, or one that the
	// kernel does not account for.
	SwapLimit *uint64
	// The pressure of cgroup v2; nil where the kernel does not tell.
	CPUPressure, MemoryPressure, IOPressure *Pressure
}

// Usage reads the part of [Group.Stats] that is its Usage: six files of version 1, or
// nine of version 2, where that has dozens. It is errdefs.ErrNotFound when the group is gone.
func (g *Group) Usage() (Usage, error) {
	u := Usage{Time: time.Now()}
	r := newReader()
	defer r.close()
	var err error
	if cgroups.IsCgroup2UnifiedMode() {
		err = u.readUnified(r, g.dir())
	} else {
		err = u.readHierarchies(r, g.manager.Path("cpuacct"), g.manager.Path("memory"))
	}
	// Of a group that is gone there is no file, unless it was open already.
	if (err != nil || r.missed) && !g.exists() {
		return Usage{}, fmt.Errorf("cgroup %s: %w", g.path, errdefs.ErrNotFound)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("cgroup %s: %w", g.path, err)
	}
	return u, nil
}

// readHierarchies reads the files of version 1; "" is a hierarchy that there is not.
func (u *Usage) readHierarchies(r *reader, cpuacct, memory string) error {
	r.missed = cpuacct == "" || memory == "" // as all are of a group that was removed
	if cpuacct != "" {
		if err := r.enter(cpuacct); err != nil {
			return err
		}
		if err := r.number("cpuacct.usage", &u.CPUUsageNano); err != nil {
			return err
		}
	}
	if memory == "" {
		return nil
	}
	if err := r.enter(memory); err != nil {
		return err
	}
	var limited, both, bothLimit uint64 // both: memory and swap
	err := errors.Join(
		r.number("memory.usage_in_bytes", &u.MemoryUsage),
		r.number("memory.limit_in_bytes", &limited),
		r.number("memory.memsw.usage_in_bytes", &both),
		r.number("memory.memsw.limit_in_bytes", &bothLimit),
		u.readMemory(r, "total_rss", "total_inactive_file", "total_pgfault", "total_pgmajfault"),
	)
	u.MemoryLimit, u.SwapUsage = limit(limited), subtract(both, u.MemoryUsage)
	if limit(bothLimit) > 0 {
		swap := subtract(bothLimit, limited)
		u.SwapLimit = &swap
	}
	return err
}

// readUnified reads the files of version 2. A controller that the group does not have
// has none.
func (u *Usage) readUnified(r *reader, dir string) error {
	if err := r.enter(dir); err != nil {
		return err
	}
	limited, swapLimit := uint64(noLimit), uint64(noLimit)
	err := r.pairs("cpu.stat", func(key []byte, value uint64) {
		if string(key) == "usage_usec" {
			u.CPUUsageNano = value * uint64(time.Microsecond)
		}
	})
	err = errors.Join(err,
		r.number("memory.current", &u.MemoryUsage),
		r.number("memory.max", &limited),
		r.number("memory.swap.current", &u.SwapUsage),
		r.number("memory.swap.max", &swapLimit),
		u.readMemory(r, "anon", "inactive_file", "pgfault", "pgmajfault"),
	)
	u.MemoryLimit = limit(limited)
	if swapLimit < noLimit {
		u.SwapLimit = &swapLimit
	}
	for _, p := range []struct {
		name string
		to   **Pressure
	}{{"cpu.pressure", &u.CPUPressure}, {"memory.pressure", &u.MemoryPressure}, {"io.pressure", &u.IOPressure}} {
		var failed error
		*p.to, failed = r.pressure(p.name)
		err = errors.Join(err, failed)
	}
	return err
}

// readMemory reads memory.stat, in which the versions have other names.
func (u *Usage) readMemory(r *reader, rss, inactiveFile, faults, majorFaults string) error {
	var inactive uint64
	err := r.pairs("memory.stat", func(key []byte, value uint64) {
		switch string(key) {
		case rss:
			u.MemoryRSS = value
		case inactiveFile:
			inactive = value
		case faults:
			u.PageFaults = value
		case majorFaults:
			u.MajorPageFaults = value
		}
	})
	u.MemoryWorkingSet = subtract(u.MemoryUsage, inactive)
	return err
}
