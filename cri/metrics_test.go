// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// criTested are the metrics that the CRI conformance suite looks for
// (cri-tools, pkg/validate/pod.go, of 2026).
var criTested = strings.Fields(`
container_blkio_device_usage_total container_cpu_cfs_periods_total container_cpu_cfs_throttled_periods_total
container_cpu_cfs_throttled_seconds_total container_cpu_system_seconds_total container_cpu_usage_seconds_total
container_cpu_user_seconds_total container_file_descriptors container_fs_inodes_free container_fs_inodes_total
container_fs_limit_bytes container_fs_reads_bytes_total container_fs_reads_total container_fs_usage_bytes
container_fs_writes_bytes_total container_fs_writes_total container_hugetlb_max_usage_bytes container_hugetlb_usage_bytes
container_last_seen container_memory_cache container_memory_failcnt container_memory_failures_total
container_memory_kernel_usage container_memory_mapped_file container_memory_max_usage_bytes container_memory_rss
container_memory_swap container_memory_usage_bytes container_memory_working_set_bytes
container_network_receive_bytes_total container_network_receive_errors_total container_network_receive_packets_dropped_total
container_network_receive_packets_total container_network_transmit_bytes_total container_network_transmit_errors_total
container_network_transmit_packets_dropped_total container_network_transmit_packets_total container_oom_events_total
container_pressure_cpu_stalled_seconds_total container_pressure_cpu_waiting_seconds_total
container_pressure_io_stalled_seconds_total container_pressure_io_waiting_seconds_total
container_pressure_memory_stalled_seconds_total container_pressure_memory_waiting_seconds_total container_processes
container_sockets container_spec_cpu_period container_spec_cpu_quota container_spec_cpu_shares
container_spec_memory_limit_bytes container_spec_memory_reservation_limit_bytes container_spec_memory_swap_limit_bytes
container_start_time_seconds container_threads container_threads_max container_ulimits_soft
`)

// mayBeAbsent are metrics that a kernel may not know or a container not have.
var mayBeAbsent = regexp.MustCompile(`^container_(pressure_.*|hugetlb_.*|blkio_.*|fs_(reads|writes)_.*)$`)

func TestEveryMetricIsDescribed(t *testing.T) {
	all := descriptors(t)
	for _, name := range criTested {
		if all[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
	for name, d := range all {
		if !strings.HasPrefix(name, "container_") || !strings.HasSuffix(d.GetHelp(), ".") {
			t.Errorf("%s: %q", name, d.GetHelp())
		}
		if keys := d.GetLabelKeys(); len(keys) < len(baseLabels) || !slices.Equal(keys[:len(baseLabels)], baseLabels) {
			t.Errorf("%s: labels %q", name, keys)
		}
	}
}

func descriptors(t *testing.T) map[string]*runtimeapi.MetricDescriptor {
	t.Helper()
	list, err := statsService{}.ListMetricDescriptors(t.Context(), nil)
	must(t, err)
	all := map[string]*runtimeapi.MetricDescriptor{}
	for _, d := range list.GetDescriptors() {
		if all[d.GetName()] != nil {
			t.Errorf("%s is described twice", d.GetName())
		}
		all[d.GetName()] = d
	}
	return all
}

// TestMetricsTakeEveryMeasureOver gives each measure a value of its own.
func TestMetricsTakeEveryMeasureOver(t *testing.T) {
	const s = uint64(time.Second)
	limit, files := uint64(31), uint64(1024)
	pressed := func(some, full uint64) *cgroup.Pressure {
		return &cgroup.Pressure{Some: cgroup.PressureTime{Total: some * 1e6}, Full: cgroup.PressureTime{Total: full * 1e6}}
	}
	container := madeContainer(t)
	container.StartedAt = time.Unix(7, 0)
	container.Config.Resources = cgroup.Resources{CPUPeriod: 50000, CPUQuota: 20000, CPUShares: 512}
	used := cgroup.Usage{
		Time: time.Unix(20, 0), CPUUsageNano: 3 * s,
		MemoryUsage: 900, MemoryWorkingSet: 700, MemoryRSS: 600, PageFaults: 50, MajorPageFaults: 8, MemoryLimit: 1000, SwapUsage: 11, SwapLimit: &limit,
		CPUPressure: pressed(28, 29), MemoryPressure: pressed(30, 32), IOPressure: pressed(33, 34),
	}
	measured := subject{
		measurement: measurement{container: container, layer: runtime.Layer{Bytes: 4096}, usage: runtime.Usage{Usage: used}},
		stats: cgroup.Stats{
			Usage: used, CPUUserNano: 2 * s, CPUSystemNano: s + s/2, Throttling: cgroup.Throttling{Periods: 4, Throttled: 5, Nano: 6 * s},
			MemoryDetail: cgroup.MemoryDetail{Cache: 12, MappedFile: 13, ActiveFile: 14, InactiveFile: 15, Kernel: 16, Peak: 17, LimitHits: 18},
			Processes:    19, Pids: 20, PidsLimit: 21,
			Hugepages: map[string]cgroup.Hugepages{"2MB": {Usage: 22, Peak: 23}},
			Devices:   []cgroup.DeviceIO{{Major: 999, Minor: 1, ReadBytes: 24, WriteBytes: 25, Reads: 26, Writes: 27}},
		},
		processes: runtime.Processes{OOMKills: 35, Descriptors: 36, Sockets: 37, MaxOpenFiles: &files},
		volume:    volume{device: "/dev/vda", bytes: 38, inodes: 39, inodesFree: 40},
	}
	got := map[string]uint64{}
	for _, f := range containerFamilies {
		for _, sample := range f.samples(measured) {
			got[f.name+"{"+strings.Join(sample.labels, ",")+"}"] = sample.value
		}
	}
	want := map[string]uint64{
		"container_last_seen{}": 20, "container_start_time_seconds{}": 7, "container_oom_events_total{}": 35,
		"container_cpu_usage_seconds_total{total}": 3, "container_cpu_user_seconds_total{}": 2, "container_cpu_system_seconds_total{}": 1,
		"container_cpu_cfs_periods_total{}": 4, "container_cpu_cfs_throttled_periods_total{}": 5, "container_cpu_cfs_throttled_seconds_total{}": 6,
		"container_pressure_cpu_waiting_seconds_total{}": 28, "container_pressure_cpu_stalled_seconds_total{}": 29,
		"container_memory_usage_bytes{}": 900, "container_memory_working_set_bytes{}": 700, "container_memory_max_usage_bytes{}": 17,
		"container_memory_rss{}": 600, "container_memory_cache{}": 12, "container_memory_mapped_file{}": 13,
		"container_memory_total_active_file_bytes{}": 14, "container_memory_total_inactive_file_bytes{}": 15,
		"container_memory_kernel_usage{}": 16, "container_memory_swap{}": 11, "container_memory_failcnt{}": 18,
		"container_memory_failures_total{pgfault,container}": 50, "container_memory_failures_total{pgmajfault,container}": 8,
		"container_memory_failures_total{pgfault,hierarchy}": 50, "container_memory_failures_total{pgmajfault,hierarchy}": 8,
		"container_hugetlb_usage_bytes{2MB}": 22, "container_hugetlb_max_usage_bytes{2MB}": 23,
		"container_pressure_memory_waiting_seconds_total{}": 30, "container_pressure_memory_stalled_seconds_total{}": 32,
		"container_fs_usage_bytes{/dev/vda}": 4096, "container_fs_limit_bytes{/dev/vda}": 38,
		"container_fs_inodes_total{/dev/vda}": 39, "container_fs_inodes_free{/dev/vda}": 40,
		"container_fs_reads_bytes_total{999:1}": 24, "container_fs_writes_bytes_total{999:1}": 25,
		"container_fs_reads_total{999:1}": 26, "container_fs_writes_total{999:1}": 27,
		"container_blkio_device_usage_total{999:1,999,1,Read}": 24, "container_blkio_device_usage_total{999:1,999,1,Write}": 25,
		"container_pressure_io_waiting_seconds_total{}": 33, "container_pressure_io_stalled_seconds_total{}": 34,
		"container_processes{}": 19, "container_threads{}": 20, "container_threads_max{}": 21,
		"container_file_descriptors{}": 36, "container_sockets{}": 37, "container_ulimits_soft{max_open_files}": 1024,
		"container_spec_cpu_period{}": 50000, "container_spec_cpu_quota{}": 20000, "container_spec_cpu_shares{}": 512,
		"container_spec_memory_limit_bytes{}": 1000, "container_spec_memory_reservation_limit_bytes{}": 0, "container_spec_memory_swap_limit_bytes{}": 31,
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s: %d (%t), want %d", name, v, ok, value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is not wanted", name)
		}
	}
}

func TestNetworkMetricsTakeEveryCounterOver(t *testing.T) {
	links := []*netlink.LinkAttrs{{Name: "eth0", Statistics: &netlink.LinkStatistics{
		RxBytes: 1, RxPackets: 2, RxDropped: 3, RxErrors: 4, TxBytes: 5, TxPackets: 6, TxDropped: 7, TxErrors: 8,
	}}}
	var values []uint64
	for _, f := range networkFamilies {
		for _, s := range f.samples(links) {
			if !slices.Equal(s.labels, []string{"eth0"}) {
				t.Errorf("%s: labels %q", f.name, s.labels)
			}
			values = append(values, s.value)
		}
	}
	if !slices.Equal(values, []uint64{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Errorf("values %d", values)
	}
}

func TestARunningContainerHasMetrics(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	ref := n.publishModule("spin:v1", enginetest.Spin("on\n"))
	imageID := n.pull(ref)
	pod := n.pod("spin")
	podID := n.run(pod)
	config := n.container("c", ref, imageID)
	config.Linux = &runtimeapi.LinuxContainerConfig{Resources: &runtimeapi.LinuxContainerResources{
		CpuPeriod: 100000, CpuQuota: 50000, CpuShares: 1024, MemoryLimitInBytes: 64 << 20, MemorySwapLimitInBytes: 64 << 20,
	}}
	id := n.create(podID, config, pod)
	must(t, n.runtime.StartContainer(ctx, id))
	stopped := n.run(n.pod("stopped"))
	must(t, n.runtime.StopPodSandbox(ctx, stopped))

	list, err := n.runtime.ListPodSandboxMetrics(ctx)
	must(t, err)
	if len(list) != 1 || list[0].GetPodSandboxId() != podID || len(list[0].GetContainerMetrics()) != 1 || list[0].GetContainerMetrics()[0].GetContainerId() != id {
		t.Fatalf("metrics %v", list)
	}
	all := descriptors(t)
	seen := map[string]uint64{}
	for _, m := range list[0].GetContainerMetrics()[0].GetMetrics() {
		d := all[m.GetName()]
		if len(d.GetLabelKeys()) != len(m.GetLabelValues()) || m.GetTimestamp() == 0 {
			t.Fatalf("%v does not fit %v", m, d)
		}
		seen[m.GetName()] = m.GetValue().GetValue()
		v := m.GetLabelValues()
		if v[0] != "c" || !strings.HasSuffix(v[1], "/"+id) || v[2] != ref || v[3] != id || v[4] != pod.Metadata.Namespace || v[5] != "spin" {
			t.Errorf("%s: labels %q", m.GetName(), v)
		}
	}
	for _, f := range containerFamilies {
		if _, ok := seen[f.name]; !ok && !mayBeAbsent.MatchString(f.name) {
			t.Errorf("%s has no value", f.name)
		}
	}
	for name, v := range seen {
		switch name {
		case "container_processes":
			if v != 1 {
				t.Errorf("%s: %d", name, v)
			}
		case "container_memory_working_set_bytes", "container_memory_rss", "container_threads", "container_file_descriptors",
			"container_sockets", "container_fs_limit_bytes", "container_fs_inodes_total", "container_last_seen", "container_start_time_seconds":
			if v == 0 {
				t.Errorf("%s: 0", name)
			}
		case "container_spec_memory_limit_bytes":
			if v != 64<<20 {
				t.Errorf("%s: %d", name, v)
			}
		}
	}
}

// TestMetricsAreDocumented holds docs/metrics.md to the tables here.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	must(t, err)
	for name, d := range descriptors(t) {
		row := "| `" + name + "` | " + strings.Join(d.GetLabelKeys()[len(baseLabels):], ", ") + " | " + d.GetHelp() + " |"
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/metrics.md lacks the row\n%s", row)
		}
	}
}
