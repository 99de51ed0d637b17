// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"maps"
	"slices"
	"strconv"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime"
)

const (
	counterMetric = runtimeapi.MetricType_COUNTER
	gaugeMetric   = runtimeapi.MetricType_GAUGE
)

// subject is a running container, measured for its metrics.
type subject struct {
	measurement
	stats     cgroup.Stats // the usage is of it
	processes runtime.Processes
	volume    volume
}

// containerFamilies are the metrics of a container.
var containerFamilies = slices.Concat(
	lifeFamilies, cpuFamilies, memoryFamilies, diskFamilies, processFamilies, specFamilies,
)

var lifeFamilies = []family[subject]{
	single("container_last_seen", "When the container was last measured, in seconds since 1970.", gaugeMetric,
		func(s subject) uint64 { return uint64(s.at().Unix()) }),
	{name: "container_start_time_seconds", help: "When the container was started, in seconds since 1970.", kind: gaugeMetric,
		samples: func(s subject) []sample {
			return unless(s.container.StartedAt.IsZero(), uint64(s.container.StartedAt.Unix()))
		}},
	single("container_oom_events_total", "Processes killed because the memory limit was reached.", counterMetric,
		func(s subject) uint64 { return s.processes.OOMKills }),
}

var cpuFamilies = []family[subject]{
	{name: "container_cpu_usage_seconds_total", help: "CPU time used, in seconds.", kind: counterMetric, labels: []string{"cpu"},
		samples: func(s subject) []sample { return []sample{{[]string{"total"}, seconds(s.stats.CPUUsageNano)}} }},
	single("container_cpu_user_seconds_total", "CPU time used outside the kernel, in seconds.", counterMetric,
		func(s subject) uint64 { return seconds(s.stats.CPUUserNano) }),
	single("container_cpu_system_seconds_total", "CPU time used in the kernel, in seconds.", counterMetric,
		func(s subject) uint64 { return seconds(s.stats.CPUSystemNano) }),
	single("container_cpu_cfs_periods_total", "Periods of the CPU limit that have passed.", counterMetric,
		func(s subject) uint64 { return s.stats.Throttling.Periods }),
	single("container_cpu_cfs_throttled_periods_total", "Periods in which the CPU limit was reached.", counterMetric,
		func(s subject) uint64 { return s.stats.Throttling.Throttled }),
	single("container_cpu_cfs_throttled_seconds_total", "Time waited because the CPU limit was reached, in seconds.", counterMetric,
		func(s subject) uint64 { return seconds(s.stats.Throttling.Nano) }),
	pressed("container_pressure_cpu_waiting_seconds_total", "Time in which some task waited for a CPU, in seconds.",
		func(s subject) (*cgroup.Pressure, bool) { return s.stats.CPUPressure, false }),
	pressed("container_pressure_cpu_stalled_seconds_total", "Time in which all tasks waited for a CPU, in seconds.",
		func(s subject) (*cgroup.Pressure, bool) { return s.stats.CPUPressure, true }),
}

var processFamilies = []family[subject]{
	single("container_processes", "Processes in the container.", gaugeMetric,
		func(s subject) uint64 { return s.stats.Processes }),
	single("container_threads", "Threads in the container.", gaugeMetric,
		func(s subject) uint64 { return s.stats.Pids }),
	single("container_threads_max", "Threads the container may have; 0 is no limit.", gaugeMetric,
		func(s subject) uint64 { return s.stats.PidsLimit }),
	single("container_file_descriptors", "Open file descriptors of the container's processes.", gaugeMetric,
		func(s subject) uint64 { return s.processes.Descriptors }),
	single("container_sockets", "Open sockets of the container's processes.", gaugeMetric,
		func(s subject) uint64 { return s.processes.Sockets }),
	{name: "container_ulimits_soft", help: "Soft resource limits of the container's first process.", kind: gaugeMetric, labels: []string{"ulimit"},
		samples: func(s subject) []sample {
			if s.processes.MaxOpenFiles == nil {
				return nil
			}
			return []sample{{[]string{"max_open_files"}, *s.processes.MaxOpenFiles}}
		}},
}

// defaultCPUPeriod is the kernel's, in µs.
const defaultCPUPeriod = 100000

var specFamilies = []family[subject]{
	{name: "container_spec_cpu_period", help: "Period of the CPU limit, in microseconds.", kind: gaugeMetric,
		samples: func(s subject) []sample {
			if period := s.container.Config.Resources.CPUPeriod; period > 0 {
				return one(period)
			}
			return one(defaultCPUPeriod)
		}},
	{name: "container_spec_cpu_quota", help: "CPU time the container may use in a period, in microseconds.", kind: gaugeMetric,
		samples: func(s subject) []sample {
			quota := s.container.Config.Resources.CPUQuota
			return unless(quota <= 0, uint64(quota))
		}},
	{name: "container_spec_cpu_shares", help: "Weight of the container against others when CPUs are short.", kind: gaugeMetric,
		samples: func(s subject) []sample {
			shares := s.container.Config.Resources.CPUShares
			return unless(shares == 0, shares)
		}},
	single("container_spec_memory_limit_bytes", "Memory the container may use, in bytes; 0 is no limit.", gaugeMetric,
		func(s subject) uint64 { return s.stats.MemoryLimit }),
	single("container_spec_memory_reservation_limit_bytes", "Memory the kernel tries to keep the container at, in bytes; 0 is no such limit, and Wazelet sets none.", gaugeMetric,
		func(subject) uint64 { return 0 }),
	single("container_spec_memory_swap_limit_bytes", "Swap the container may use, in bytes; 0 is no limit.", gaugeMetric,
		func(s subject) uint64 { return swapLimit(s.stats.Usage) }),
}

// swapLimit is without memory, as v2 has it.
func swapLimit(s cgroup.Usage) uint64 {
	if s.SwapLimit == nil {
		return 0
	}
	return *s.SwapLimit
}

// single is a metric with one sample.
func single(name, help string, kind runtimeapi.MetricType, value func(subject) uint64) family[subject] {
	return family[subject]{name: name, help: help, kind: kind, samples: func(s subject) []sample { return one(value(s)) }}
}

// pressed is a metric of the time that was waited, by some tasks or by all;
// there is none where the kernel does not tell.
func pressed(name, help string, of func(subject) (p *cgroup.Pressure, full bool)) family[subject] {
	return family[subject]{name: name, help: help, kind: counterMetric, samples: func(s subject) []sample {
		p, full := of(s)
		switch {
		case p == nil:
			return nil
		case full:
			return one(seconds(p.Full.Total * uint64(time.Microsecond)))
		default:
			return one(seconds(p.Some.Total * uint64(time.Microsecond)))
		}
	}}
}

func one(v uint64) []sample { return []sample{{value: v}} }

func unless(unknown bool, v uint64) []sample {
	if unknown {
		return nil
	}
	return one(v)
}

// seconds are whole ones of ns.
func seconds(nano uint64) uint64 { return nano / uint64(time.Second) }

// perPageSize is a metric with a sample for each size of huge pages.
func perPageSize(name, help string, value func(cgroup.Hugepages) uint64) family[subject] {
	return family[subject]{name: name, help: help, kind: gaugeMetric, labels: []string{"pagesize"}, samples: func(s subject) []sample {
		var list []sample
		for _, size := range slices.Sorted(maps.Keys(s.stats.Hugepages)) {
			list = append(list, sample{[]string{size}, value(s.stats.Hugepages[size])})
		}
		return list
	}}
}

// perDevice is a metric with a sample for each block device that the container
// has used.
func perDevice(name, help string, value func(cgroup.DeviceIO) uint64) family[subject] {
	return family[subject]{name: name, help: help, kind: counterMetric, labels: []string{"device"}, samples: func(s subject) []sample {
		var list []sample
		for _, d := range s.stats.Devices {
			list = append(list, sample{[]string{deviceName(d.Major, d.Minor)}, value(d)})
		}
		return list
	}}
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
