// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/cgroups"
)

// Resources are limits and weights in the terms of CRI's
// LinuxContainerResources. A zero value leaves the kernel's default, or on
// Update what was set before.
type Resources struct {
	// CPUShares is the weight against other groups, 2 to 262144; 1024 is one CPU.
	CPUShares uint64 `json:"cpu_shares,omitempty"`
	// CPUQuota is the CPU time in µs per period; -1 is no limit.
	CPUQuota int64 `json:"cpu_quota,omitempty"`
	// CPUPeriod is the length of a period in µs.
	CPUPeriod uint64 `json:"cpu_period,omitempty"`
	// MemoryLimit is in bytes; -1 is no limit.
	MemoryLimit int64 `json:"memory_limit,omitempty"`
	// MemorySwapLimit is memory and swap together, in bytes; -1 is no limit. It
	// is not set where the kernel does not account for swap.
	MemorySwapLimit int64 `json:"memory_swap_limit,omitempty"`
	// PidsLimit is the number of tasks; -1 is no limit.
	PidsLimit int64 `json:"pids_limit,omitempty"`
	// CPUSetCPUs and CPUSetMems are lists such as "0-2,7".
	CPUSetCPUs string `json:"cpuset_cpus,omitempty"`
	CPUSetMems string `json:"cpuset_mems,omitempty"`
	// Unified holds cgroup v2 files by name, such as "memory.high".
	Unified map[string]string `json:"unified,omitempty"`
	// HugepageLimits is in bytes by page size, such as "2MB".
	HugepageLimits map[string]uint64 `json:"hugepage_limits,omitempty"`
}

// limits turns r into the library's terms for this group. Whether the host can
// set them is for [Group.require] to say.
func (g *Group) limits(r Resources) (*cgroups.Resources, error) {
	if len(r.Unified) > 0 && !cgroups.IsCgroup2UnifiedMode() {
		return nil, fmt.Errorf("unified resources need cgroup v2, this host has v1: %w", errdefs.ErrInvalidArgument)
	}
	hugepages, err := g.hugepages(r.HugepageLimits)
	if err != nil {
		return nil, err
	}
	out := &cgroups.Resources{
		SkipDevices:  g.config.SkipDevices,
		CpuShares:    r.CPUShares,
		CpuWeight:    cgroups.ConvertCPUSharesToCgroupV2Value(r.CPUShares),
		CpuQuota:     r.CPUQuota,
		CpuPeriod:    r.CPUPeriod,
		Memory:       r.MemoryLimit,
		MemorySwap:   r.MemorySwapLimit,
		CpusetCpus:   r.CPUSetCPUs,
		CpusetMems:   r.CPUSetMems,
		HugetlbLimit: hugepages,
		Unified:      r.Unified,
	}
	if r.PidsLimit != 0 {
		out.PidsLimit = &r.PidsLimit
	}
	if !g.accountsSwap() {
		out.MemorySwap = 0
	}
	return out, nil
}

// require refuses limits this host has no controller for.
func (g *Group) require(r *cgroups.Resources) error {
	wanted := []struct {
		controller string
		wanted     bool
	}{
		{"cpu", r.CpuShares != 0 || r.CpuQuota != 0 || r.CpuPeriod != 0},
		{"cpuset", r.CpusetCpus != "" || r.CpusetMems != ""},
		{"hugetlb", len(r.HugetlbLimit) > 0},
		{"memory", r.Memory != 0 || r.MemorySwap != 0},
		{"pids", r.PidsLimit != nil},
	}
	var missing []string
	for _, w := range wanted {
		if w.wanted && !g.has(w.controller) {
			missing = append(missing, w.controller)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("limits need the cgroup controller %s, which this host does not offer: %w",
		strings.Join(missing, ", "), errdefs.ErrFailedPrecondition)
}

// hugepages drops a limit of zero that this host cannot set: the kubelet sends
// one for each page size, and there are no such pages to be had then.
func (g *Group) hugepages(limits map[string]uint64) ([]*cgroups.HugepageLimit, error) {
	var out []*cgroups.HugepageLimit
	for size, limit := range limits {
		known := slices.Contains(cgroups.HugePageSizes(), size)
		if limit > 0 && !known {
			return nil, fmt.Errorf("huge pages of %s: this host has %v: %w", size, cgroups.HugePageSizes(), errdefs.ErrInvalidArgument)
		}
		if limit > 0 || known && g.has("hugetlb") {
			out = append(out, &cgroups.HugepageLimit{Pagesize: size, Limit: limit})
		}
	}
	return out, nil
}

// has says whether a controller can limit this group.
func (g *Group) has(controller string) bool {
	if !cgroups.IsCgroup2UnifiedMode() {
		return g.manager.Path(controller) != ""
	}
	// What is enabled here; before the group exists, what the host has at all.
	list, err := cgroups.ReadFile(g.manager.Path(""), "cgroup.controllers")
	if err != nil {
		list, _ = cgroups.ReadFile(hostRoot, "cgroup.controllers")
	}
	return slices.Contains(strings.Fields(list), controller)
}

// accountsSwap is false only on v1 without swap accounting, where the file of
// the limit is missing; on v2 the library sees to it.
func (g *Group) accountsSwap() bool {
	return cgroups.IsCgroup2UnifiedMode() ||
		cgroups.PathExists(filepath.Join(hostRoot, "memory", "memory.memsw.limit_in_bytes"))
}
