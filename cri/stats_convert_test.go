// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime"
)

func measured(t *testing.T) measurement {
	t.Helper()
	rate, swap := uint64(5), uint64(20)
	return measurement{
		container: madeContainer(t), mountpoint: "/var/lib/wazelet",
		layer: runtime.Layer{Time: time.Unix(20, 0), Bytes: 4096, Inodes: 3},
		usage: runtime.Usage{
			CPURate: &rate,
			Usage: cgroup.Usage{
				Time: time.Unix(10, 5), CPUUsageNano: 123, MemoryUsage: 900, MemoryWorkingSet: 700, MemoryRSS: 600,
				PageFaults: 50, MajorPageFaults: 2, MemoryLimit: 1000, SwapUsage: 11, SwapLimit: &swap,
				CPUPressure: &cgroup.Pressure{
					Some: cgroup.PressureTime{Avg10: 1.5, Avg60: 2.5, Avg300: 3.5, Total: 7},
					Full: cgroup.PressureTime{Total: 1},
				},
				IOPressure: &cgroup.Pressure{},
			},
		},
	}
}

func TestContainerStatsTakeEveryMeasureOver(t *testing.T) {
	asked := kubeletContainer()
	const at = 10_000000005
	want := &runtimeapi.ContainerStats{
		Attributes: &runtimeapi.ContainerAttributes{
			Id: "c0de", Metadata: asked.Metadata, Labels: asked.Labels, Annotations: asked.Annotations,
		},
		Cpu: &runtimeapi.CpuUsage{
			Timestamp: at, UsageCoreNanoSeconds: counter(123), UsageNanoCores: counter(5),
			Psi: &runtimeapi.PsiStats{
				Some: &runtimeapi.PsiData{Total: 7000, Avg10: 1.5, Avg60: 2.5, Avg300: 3.5}, // µs to ns
				Full: &runtimeapi.PsiData{Total: 1000},
			},
		},
		Memory: &runtimeapi.MemoryUsage{
			Timestamp: at, UsageBytes: counter(900), WorkingSetBytes: counter(700), RssBytes: counter(600),
			PageFaults: counter(50), MajorPageFaults: counter(2), AvailableBytes: counter(300),
		},
		Swap: &runtimeapi.SwapUsage{Timestamp: at, SwapUsageBytes: counter(11), SwapAvailableBytes: counter(9)},
		WritableLayer: &runtimeapi.FilesystemUsage{
			Timestamp: 20_000000000, FsId: &runtimeapi.FilesystemIdentifier{Mountpoint: "/var/lib/wazelet"},
			UsedBytes: counter(4096), InodesUsed: counter(3),
		},
		Io: &runtimeapi.IoUsage{
			Timestamp: at, Psi: &runtimeapi.PsiStats{Full: &runtimeapi.PsiData{}, Some: &runtimeapi.PsiData{}},
		},
	}
	if got := measured(t).containerStats(); !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestStatsOfAContainerWithoutProcessHaveATime(t *testing.T) {
	m := measured(t)
	m.usage.Usage, m.usage.CPURate = cgroup.Usage{}, nil
	got := m.containerStats()
	for name, at := range map[string]int64{
		"cpu": got.Cpu.Timestamp, "memory": got.Memory.Timestamp, "writable layer": got.WritableLayer.Timestamp,
	} {
		if at <= 0 {
			t.Errorf("%s: timestamp %d, must be later than 0", name, at)
		}
	}
	if got.Memory.AvailableBytes != nil {
		t.Errorf("available %v without a limit", got.Memory.AvailableBytes)
	}
	if got.Cpu.UsageNanoCores != nil || got.Swap.SwapAvailableBytes != nil {
		t.Errorf("a rate or a limit that nobody knows: %v, %v", got.Cpu, got.Swap)
	}
	if got.Io != nil || got.Cpu.Psi != nil {
		t.Error("pressure where the kernel tells none")
	}
}

func TestAvailableMemoryIsNeverNegative(t *testing.T) {
	for _, tt := range []struct{ limit, used, want uint64 }{{100, 40, 60}, {100, 100, 0}, {100, 140, 0}} {
		if got := available(tt.limit, tt.used).GetValue(); got != tt.want {
			t.Errorf("limit %d, used %d: %d, want %d", tt.limit, tt.used, got, tt.want)
		}
	}
}

func TestPodStatsAddUpContainers(t *testing.T) {
	m := measured(t)
	got := podStats(madePod(t), podReading{SandboxStats: runtime.SandboxStats{Processes: 2}, at: time.Unix(30, 0)}, []measurement{m, m})
	linux := got.GetLinux()
	if got.GetAttributes().GetId() != "5a6d" || got.GetAttributes().GetMetadata().GetUid() != "6b1c" {
		t.Errorf("attributes %v", got.GetAttributes())
	}
	if n := len(linux.GetContainers()); n != 2 {
		t.Fatalf("%d containers", n)
	}
	for name, tt := range map[string]struct {
		got  *runtimeapi.UInt64Value
		want uint64
	}{
		"cpu": {linux.Cpu.UsageCoreNanoSeconds, 246}, "rate": {linux.Cpu.UsageNanoCores, 10}, "usage": {linux.Memory.UsageBytes, 1800},
		"working set": {linux.Memory.WorkingSetBytes, 1400}, "rss": {linux.Memory.RssBytes, 1200},
		"faults": {linux.Memory.PageFaults, 100}, "major": {linux.Memory.MajorPageFaults, 4},
		"processes": {linux.Process.ProcessCount, 2},
	} {
		if tt.got.GetValue() != tt.want {
			t.Errorf("%s: %d, want %d", name, tt.got.GetValue(), tt.want)
		}
	}
	for name, at := range map[string]int64{"cpu": linux.Cpu.Timestamp, "memory": linux.Memory.Timestamp, "process": linux.Process.Timestamp} {
		if at != 30_000000000 {
			t.Errorf("%s: timestamp %d", name, at)
		}
	}
}

func TestSumOfNothing(t *testing.T) {
	got := podStats(madePod(t), podReading{at: time.Unix(30, 0)}, nil).GetLinux()
	if got.GetCpu().GetUsageCoreNanoSeconds() == nil || got.GetMemory().GetWorkingSetBytes() == nil || got.GetProcess().GetProcessCount() == nil {
		t.Errorf("a pod without containers uses nothing, and not an unknown amount: %v", got)
	}
	unknown := measured(t)
	unknown.usage.CPURate = nil
	if sum := sumOf([]measurement{measured(t), unknown}, time.Now()); sum.CPURate != nil {
		t.Errorf("the rate of a pod is %d, but that of a container is not known", *sum.CPURate)
	}
}
