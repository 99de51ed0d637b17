// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// containerStats is a measurement as the stats RPCs show it. A container
// without a process uses nothing but its writable layer, and has no time of
// its own.
func (m measurement) containerStats() *runtimeapi.ContainerStats {
	at := m.at().UnixNano()
	return &runtimeapi.ContainerStats{
		Attributes: &runtimeapi.ContainerAttributes{
			Id: m.container.ID, Metadata: containerMetadata(m.container),
			Labels: m.container.Config.Labels, Annotations: m.container.Config.Annotations,
		},
		Cpu:    cpuUsage(at, m.usage.Usage, m.usage.CPURate),
		Memory: memoryUsage(at, m.usage.Usage),
		Swap: &runtimeapi.SwapUsage{
			Timestamp: at, SwapUsageBytes: counter(m.usage.SwapUsage), SwapAvailableBytes: swapAvailable(m.usage.Usage),
		},
		WritableLayer: &runtimeapi.FilesystemUsage{
			Timestamp:  m.layer.Time.UnixNano(),
			FsId:       &runtimeapi.FilesystemIdentifier{Mountpoint: m.mountpoint},
			UsedBytes:  counter(uint64(max(m.layer.Bytes, 0))),
			InodesUsed: counter(uint64(max(m.layer.Inodes, 0))),
		},
		Io: ioUsage(at, m.usage.IOPressure),
	}
}

// cpuUsage has no rate before the second reading; the kubelet then makes its
// own.
func cpuUsage(at int64, s cgroup.Usage, rate *uint64) *runtimeapi.CpuUsage {
	usage := &runtimeapi.CpuUsage{Timestamp: at, UsageCoreNanoSeconds: counter(s.CPUUsageNano), Psi: pressure(s.CPUPressure)}
	if rate != nil {
		usage.UsageNanoCores = counter(*rate)
	}
	return usage
}

func memoryUsage(at int64, s cgroup.Usage) *runtimeapi.MemoryUsage {
	return &runtimeapi.MemoryUsage{
		Timestamp:       at,
		WorkingSetBytes: counter(s.MemoryWorkingSet),
		UsageBytes:      counter(s.MemoryUsage),
		RssBytes:        counter(s.MemoryRSS),
		PageFaults:      counter(s.PageFaults),
		MajorPageFaults: counter(s.MajorPageFaults),
		AvailableBytes:  available(s.MemoryLimit, s.MemoryWorkingSet),
		Psi:             pressure(s.MemoryPressure),
	}
}

// swapAvailable is nil without a limit on swap.
func swapAvailable(s cgroup.Usage) *runtimeapi.UInt64Value {
	if s.SwapLimit == nil {
		return nil
	}
	return counter(*s.SwapLimit - min(s.SwapUsage, *s.SwapLimit))
}

// pressure converts PSI; the kernel counts its totals in µs, CRI in ns.
func pressure(p *cgroup.Pressure) *runtimeapi.PsiStats {
	if p == nil {
		return nil
	}
	data := func(t cgroup.PressureTime) *runtimeapi.PsiData {
		return &runtimeapi.PsiData{Total: t.Total * uint64(time.Microsecond), Avg10: t.Avg10, Avg60: t.Avg60, Avg300: t.Avg300}
	}
	return &runtimeapi.PsiStats{Full: data(p.Full), Some: data(p.Some)}
}

// ioUsage is nothing but the pressure of block devices: what a guest reads and
// writes passes the page cache.
func ioUsage(at int64, p *cgroup.Pressure) *runtimeapi.IoUsage {
	if p == nil {
		return nil
	}
	return &runtimeapi.IoUsage{Timestamp: at, Psi: pressure(p)}
}

func counter(v uint64) *runtimeapi.UInt64Value { return &runtimeapi.UInt64Value{Value: v} }

// available is what may still be used below the limit, nil without one.
func available(limit, used uint64) *runtimeapi.UInt64Value {
	if limit == 0 {
		return nil
	}
	return counter(limit - min(used, limit))
}

// podStats is a pod as the stats RPCs show it: by its cgroup, where containers
// that have ended are still counted, or else as the sum of its containers.
func podStats(sb sandbox.Sandbox, reading podReading, containers []measurement) *runtimeapi.PodSandboxStats {
	pod := reading.Whole
	if pod == nil {
		pod = sumOf(containers, reading.at)
	}
	at := pod.Time.UnixNano()
	list := make([]*runtimeapi.ContainerStats, 0, len(containers))
	for _, m := range containers {
		list = append(list, m.containerStats())
	}
	return &runtimeapi.PodSandboxStats{
		Attributes: &runtimeapi.PodSandboxAttributes{
			Id: sb.ID, Metadata: sandboxMetadata(sb.Metadata), Labels: sb.Labels, Annotations: sb.Annotations,
		},
		Linux: &runtimeapi.LinuxPodSandboxStats{
			Cpu:        cpuUsage(at, pod.Usage, pod.CPURate),
			Memory:     memoryUsage(at, pod.Usage),
			Process:    &runtimeapi.ProcessUsage{Timestamp: at, ProcessCount: counter(reading.Processes)},
			Containers: list,
			Io:         ioUsage(at, pod.IOPressure),
			Network:    interfaceUsage(reading.links, reading.at),
		},
	}
}

// sumOf adds up what the containers of a pod use, which is all that runs of it.
// Pressure cannot be added, and a rate only where every container has one.
func sumOf(containers []measurement, at time.Time) *runtime.Usage {
	sum := &runtime.Usage{Usage: cgroup.Usage{Time: at}, CPURate: new(uint64)}
	for _, m := range containers {
		sum.CPUUsageNano += m.usage.CPUUsageNano
		sum.MemoryWorkingSet += m.usage.MemoryWorkingSet
		sum.MemoryUsage += m.usage.MemoryUsage
		sum.MemoryRSS += m.usage.MemoryRSS
		sum.PageFaults += m.usage.PageFaults
		sum.MajorPageFaults += m.usage.MajorPageFaults
		if m.usage.CPURate == nil {
			sum.CPURate = nil
		} else if sum.CPURate != nil {
			*sum.CPURate += *m.usage.CPURate
		}
	}
	return sum
}
