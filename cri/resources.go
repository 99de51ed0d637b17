// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"maps"
	"slices"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
)

// resources validates and converts limits; nil is no limits. 0 is "not
// specified" in every field (LinuxContainerResources).
func resources(field string, r *runtimeapi.LinuxContainerResources) (cgroup.Resources, error) {
	if err := validateResources(field, r); err != nil {
		return cgroup.Resources{}, err
	}
	converted := cgroup.Resources{
		CPUShares:       uint64(r.GetCpuShares()),
		CPUQuota:        r.GetCpuQuota(),
		CPUPeriod:       uint64(r.GetCpuPeriod()),
		MemoryLimit:     r.GetMemoryLimitInBytes(),
		MemorySwapLimit: r.GetMemorySwapLimitInBytes(),
		CPUSetCPUs:      r.GetCpusetCpus(),
		CPUSetMems:      r.GetCpusetMems(),
		Unified:         r.GetUnified(),
	}
	for _, h := range r.GetHugepageLimits() {
		if converted.HugepageLimits == nil {
			converted.HugepageLimits = map[string]uint64{}
		}
		converted.HugepageLimits[h.GetPageSize()] = h.GetLimit()
	}
	return converted, nil
}

// containerResources are the resources of a container, which has no use for huge
// pages. The kubelet sends a limit of 0 for each size of the node.
func containerResources(field string, r *runtimeapi.LinuxContainerResources) (cgroup.Resources, error) {
	for _, h := range r.GetHugepageLimits() {
		if h.GetLimit() > 0 {
			return cgroup.Resources{}, invalid(field+".hugepage_limits["+clean(h.GetPageSize(), 64)+"]",
				"%d bytes: a Wasm container cannot use huge pages", h.GetLimit())
		}
	}
	return resources(field, r)
}

// optionalResources keeps "none given" apart from "no limits".
func optionalResources(field string, r *runtimeapi.LinuxContainerResources) (*cgroup.Resources, error) {
	if r == nil {
		return nil, nil
	}
	converted, err := resources(field, r)
	return &converted, err
}

func validateResources(field string, r *runtimeapi.LinuxContainerResources) error {
	for _, n := range []struct {
		name       string
		value, min int64
	}{
		{"cpu_shares", r.GetCpuShares(), 0},
		{"cpu_period", r.GetCpuPeriod(), 0},
		{"cpu_quota", r.GetCpuQuota(), -1}, // -1 is unlimited, here and below
		{"memory_limit_in_bytes", r.GetMemoryLimitInBytes(), -1},
		{"memory_swap_limit_in_bytes", r.GetMemorySwapLimitInBytes(), -1},
	} {
		if n.value < n.min {
			return invalid(field+"."+n.name, "%d is less than %d", n.value, n.min)
		}
	}
	if adj := r.GetOomScoreAdj(); adj < -1000 || adj > 1000 {
		return invalid(field+".oom_score_adj", "%d is not between -1000 and 1000", adj)
	}
	if err := validateText(field+".cpuset_cpus", r.GetCpusetCpus(), maxPath); err != nil {
		return err
	}
	if err := validateText(field+".cpuset_mems", r.GetCpusetMems(), maxPath); err != nil {
		return err
	}
	return validateCgroupFiles(field, r)
}

// validateCgroupFiles checks the names that become names of cgroup files.
func validateCgroupFiles(field string, r *runtimeapi.LinuxContainerResources) error {
	for key, value := range r.GetUnified() {
		if err := validateFileName(field+".unified", key); err != nil {
			return err
		}
		if strings.HasPrefix(key, "cgroup.") {
			return invalid(field+".unified", "%q is not a resource", key)
		}
		if err := validateText(field+".unified["+key+"]", value, maxPath); err != nil {
			return err
		}
	}
	for _, h := range r.GetHugepageLimits() {
		if err := validateFileName(field+".hugepage_limits", h.GetPageSize()); err != nil {
			return err
		}
	}
	return nil
}

// echoResources gives back what resources converted.
func echoResources(r cgroup.Resources, oomScoreAdj int) *runtimeapi.LinuxContainerResources {
	echo := &runtimeapi.LinuxContainerResources{
		CpuShares:              int64(r.CPUShares),
		CpuQuota:               r.CPUQuota,
		CpuPeriod:              int64(r.CPUPeriod),
		MemoryLimitInBytes:     r.MemoryLimit,
		MemorySwapLimitInBytes: r.MemorySwapLimit,
		OomScoreAdj:            int64(oomScoreAdj),
		CpusetCpus:             r.CPUSetCPUs,
		CpusetMems:             r.CPUSetMems,
		Unified:                r.Unified,
	}
	for _, size := range slices.Sorted(maps.Keys(r.HugepageLimits)) {
		echo.HugepageLimits = append(echo.HugepageLimits, &runtimeapi.HugepageLimit{PageSize: size, Limit: r.HugepageLimits[size]})
	}
	return echo
}

// mergeResources lays an update over the limits in force: what the update does
// not specify stays.
func mergeResources(now, update cgroup.Resources) cgroup.Resources {
	merged := now
	set(&merged.CPUShares, update.CPUShares)
	set(&merged.CPUQuota, update.CPUQuota)
	set(&merged.CPUPeriod, update.CPUPeriod)
	set(&merged.MemoryLimit, update.MemoryLimit)
	set(&merged.MemorySwapLimit, update.MemorySwapLimit)
	set(&merged.PidsLimit, update.PidsLimit)
	set(&merged.CPUSetCPUs, update.CPUSetCPUs)
	set(&merged.CPUSetMems, update.CPUSetMems)
	merged.Unified = mergeMaps(now.Unified, update.Unified)
	merged.HugepageLimits = mergeMaps(now.HugepageLimits, update.HugepageLimits)
	return merged
}

// set takes a value over unless it is "not specified".
func set[T comparable](to *T, value T) {
	var unspecified T
	if value != unspecified {
		*to = value
	}
}

// mergeMaps lays one map over another; neither is changed.
func mergeMaps[V any](under, over map[string]V) map[string]V {
	if len(over) == 0 {
		return under
	}
	merged := maps.Clone(under)
	if merged == nil {
		merged = make(map[string]V, len(over))
	}
	maps.Copy(merged, over)
	return merged
}
