// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// podSummary is the part of the kubelet's summary of a pod that is looked at.
type podSummary struct {
	PodRef  struct{ Name, Namespace string }
	CPU     cpuSummary
	Memory  memorySummary
	Network *struct {
		Name             string
		RxBytes, TxBytes *uint64
	}
	ProcessStats *struct {
		Count *uint64 `json:"process_count"`
	} `json:"process_stats"`
	Containers []struct {
		Name   string
		CPU    cpuSummary
		Memory memorySummary
		Rootfs struct{ UsedBytes, CapacityBytes, InodesUsed *uint64 }
	}
}

type cpuSummary struct{ UsageNanoCores, UsageCoreNanoSeconds *uint64 }

type memorySummary struct{ UsageBytes, WorkingSetBytes, RSSBytes *uint64 }

// summaryOf returns the kubelet's summary of a pod.
func summaryOf(ctx context.Context, c *lab.Cluster, namespace, pod string) (*podSummary, error) {
	text, err := c.Kubelet(ctx, "/stats/summary")
	if err != nil {
		return nil, err
	}
	var summary struct{ Pods []podSummary }
	if err := json.Unmarshal([]byte(text), &summary); err != nil {
		return nil, err
	}
	for i, p := range summary.Pods {
		if p.PodRef.Name == pod && p.PodRef.Namespace == namespace {
			return &summary.Pods[i], nil
		}
	}
	return nil, fmt.Errorf("the summary has no pod %s/%s", namespace, pod)
}

// busy says what is wrong with the summary of a pod that computes all the time.
func (p *podSummary) busy(container string) error {
	atLeast := func(what string, value *uint64, least uint64) error {
		if value == nil || *value < least {
			return fmt.Errorf("%s: %s, want %d at least", what, number(value), least)
		}
		return nil
	}
	checks := []error{
		atLeast("CPU time of the pod", p.CPU.UsageCoreNanoSeconds, 1e8),
		atLeast("CPU rate of the pod", p.CPU.UsageNanoCores, 1e7),
		atLeast("working set of the pod", p.Memory.WorkingSetBytes, 1<<20),
	}
	if len(p.Containers) != 1 || p.Containers[0].Name != container {
		return fmt.Errorf("containers %+v", p.Containers)
	}
	c := p.Containers[0]
	checks = append(checks,
		atLeast("CPU time", c.CPU.UsageCoreNanoSeconds, 1e8), atLeast("CPU rate", c.CPU.UsageNanoCores, 1e7),
		atLeast("memory", c.Memory.UsageBytes, 1<<20), atLeast("working set", c.Memory.WorkingSetBytes, 1<<20),
		atLeast("anonymous memory", c.Memory.RSSBytes, 1<<20),
		atLeast("file system", c.Rootfs.CapacityBytes, 1<<20), atLeast("inodes written", c.Rootfs.InodesUsed, 1),
	)
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return nil
}

func number(v *uint64) string {
	if v == nil {
		return "none"
	}
	return strconv.FormatUint(*v, 10)
}

// spinner computes all the time, on half a CPU.
const spinner = `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, write, /written, text, --, spin]
  resources: {limits: {cpu: 300m, memory: 128Mi}}
`

// TestStats: with the kubelet's defaults, summary and resource metrics have Wasm
// pods.
func TestStats(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("spinner", spinner)
	s.wait("spinner", lab.Running)
	s.until(func() error {
		summary, err := summaryOf(s.ctx, cluster, s.name, "spinner")
		if err != nil {
			return err
		}
		return summary.busy("main")
	})
	text, err := cluster.Kubelet(s.ctx, "/metrics/resource")
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range []string{
		fmt.Sprintf(`container_cpu_usage_seconds_total{container="main",namespace=%q,pod="spinner"}`, s.name),
		fmt.Sprintf(`container_memory_working_set_bytes{container="main",namespace=%q,pod="spinner"}`, s.name),
		fmt.Sprintf(`pod_cpu_usage_seconds_total{namespace=%q,pod="spinner"}`, s.name),
		fmt.Sprintf(`container_start_time_seconds{container="main",namespace=%q,pod="spinner"}`, s.name),
	} {
		if value, ok := seriesValue(text, series); !ok || value <= 0 {
			t.Errorf("/metrics/resource: %s is %v (%t)", series, value, ok)
		}
	}
}

// seriesValue finds a series of the Prometheus text format by its very name and
// labels, and returns its value.
func seriesValue(text, series string) (float64, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			value, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return value, err == nil
		}
	}
	return 0, false
}
