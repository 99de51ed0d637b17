// SPDX-License-Identifier: Apache-2.0

package cri

import "github.com/wazelet/wazelet/cgroup"

var memoryFamilies = []family[subject]{
	single("container_memory_usage_bytes", "Memory in use, page cache included, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryUsage }),
	single("container_memory_working_set_bytes", "Memory in use that cannot easily be given back, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryWorkingSet }),
	single("container_memory_max_usage_bytes", "The most memory that was in use at once, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryDetail.Peak }),
	single("container_memory_rss", "Anonymous memory in use, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryRSS }),
	single("container_memory_cache", "Page cache, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryDetail.Cache }),
	single("container_memory_mapped_file", "Mapped files, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryDetail.MappedFile }),
	single("container_memory_total_active_file_bytes", "Page cache used of late, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryDetail.ActiveFile }),
	single("container_memory_total_inactive_file_bytes", "Page cache not used of late, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryDetail.InactiveFile }),
	single("container_memory_kernel_usage", "Memory the kernel uses for the container, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryDetail.Kernel }),
	single("container_memory_swap", "Swap in use, in bytes.", gaugeMetric,
		func(s subject) uint64 { return s.stats.SwapUsage }),
	single("container_memory_failcnt", "Times the memory limit was reached.", counterMetric,
		func(s subject) uint64 { return s.stats.MemoryDetail.LimitHits }),
	{name: "container_memory_failures_total", help: "Page faults, minor and major.", kind: counterMetric, labels: []string{"failure_type", "scope"},
		// A container has no groups below its own, so that both scopes are one.
		samples: func(s subject) []sample {
			return []sample{
				{[]string{"pgfault", "container"}, s.stats.PageFaults},
				{[]string{"pgmajfault", "container"}, s.stats.MajorPageFaults},
				{[]string{"pgfault", "hierarchy"}, s.stats.PageFaults},
				{[]string{"pgmajfault", "hierarchy"}, s.stats.MajorPageFaults},
			}
		}},
	perPageSize("container_hugetlb_usage_bytes", "Huge pages in use, in bytes.",
		func(h cgroup.Hugepages) uint64 { return h.Usage }),
	perPageSize("container_hugetlb_max_usage_bytes", "The most huge pages that were in use at once, in bytes.",
		func(h cgroup.Hugepages) uint64 { return h.Peak }),
	pressed("container_pressure_memory_waiting_seconds_total", "Time in which some task waited for memory, in seconds.",
		func(s subject) (*cgroup.Pressure, bool) { return s.stats.MemoryPressure, false }),
	pressed("container_pressure_memory_stalled_seconds_total", "Time in which all tasks waited for memory, in seconds.",
		func(s subject) (*cgroup.Pressure, bool) { return s.stats.MemoryPressure, true }),
}
