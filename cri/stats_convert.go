// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/sandbox"
)

// containerStats is a measurement as the stats RPCs show it. A container
// without a process uses nothing but its writable layer, and has no time of
// its own.
func (m measurement) containerStats() *runtimeapi.ContainerStats {
	at := m.timestamp()
	return &runtimeapi.ContainerStats{
		Attributes: &runtimeapi.ContainerAttributes{
			Id: m.container.ID, Metadata: containerMetadata(m.container),
			Labels: m.container.Config.Labels, Annotations: m.container.Config.Annotations,
		},
		// The kubelet computes the rate from two readings of the counter.
		Cpu: &runtimeapi.CpuUsage{Timestamp: at, UsageCoreNanoSeconds: counter(m.stats.CPUUsageNano), Psi: pressure(m.stats.CPUPressure)},
		Memory: &runtimeapi.MemoryUsage{
			Timestamp:       at,
			WorkingSetBytes: counter(m.stats.MemoryWorkingSet),
			UsageBytes:      counter(m.stats.MemoryUsage),
			RssBytes:        counter(m.stats.MemoryRSS),
			PageFaults:      counter(m.stats.PageFaults),
			MajorPageFaults: counter(m.stats.MajorPageFaults),
			AvailableBytes:  available(m.stats.MemoryLimit, m.stats.MemoryWorkingSet),
			Psi:             pressure(m.stats.MemoryPressure),
		},
		Swap: &runtimeapi.SwapUsage{Timestamp: at, SwapUsageBytes: counter(m.stats.SwapUsage)},
		WritableLayer: &runtimeapi.FilesystemUsage{
			Timestamp:  m.at.UnixNano(),
			FsId:       &runtimeapi.FilesystemIdentifier{Mountpoint: m.mountpoint},
			UsedBytes:  counter(uint64(max(m.stats.WritableBytes, 0))),
			InodesUsed: counter(uint64(max(m.stats.WritableInodes, 0))),
		},
		Io: ioUsage(at, m.stats.IOPressure),
	}
}

// timestamp is when the cgroup was read; it must be later than 0.
func (m measurement) timestamp() int64 {
	if m.stats.Time.IsZero() {
		return m.at.UnixNano()
	}
	return m.stats.Time.UnixNano()
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

// podStats adds up what the containers of a pod use: nothing of a Wasm pod
// runs outside them.
func podStats(sb sandbox.Sandbox, containers []measurement, at time.Time) *runtimeapi.PodSandboxStats {
	now := at.UnixNano()
	var cpu, workingSet, usage, rss, faults, majorFaults, pids uint64
	list := make([]*runtimeapi.ContainerStats, 0, len(containers))
	for _, m := range containers {
		cpu += m.stats.CPUUsageNano
		workingSet += m.stats.MemoryWorkingSet
		usage += m.stats.MemoryUsage
		rss += m.stats.MemoryRSS
		faults += m.stats.PageFaults
		majorFaults += m.stats.MajorPageFaults
		pids += m.stats.Pids
		list = append(list, m.containerStats())
	}
	return &runtimeapi.PodSandboxStats{
		Attributes: &runtimeapi.PodSandboxAttributes{
			Id: sb.ID, Metadata: sandboxMetadata(sb.Metadata), Labels: sb.Labels, Annotations: sb.Annotations,
		},
		Linux: &runtimeapi.LinuxPodSandboxStats{
			Cpu: &runtimeapi.CpuUsage{Timestamp: now, UsageCoreNanoSeconds: counter(cpu)},
			Memory: &runtimeapi.MemoryUsage{
				Timestamp: now, WorkingSetBytes: counter(workingSet), UsageBytes: counter(usage),
				RssBytes: counter(rss), PageFaults: counter(faults), MajorPageFaults: counter(majorFaults),
			},
			Process:    &runtimeapi.ProcessUsage{Timestamp: now, ProcessCount: counter(pids)},
			Containers: list,
		},
	}
}
