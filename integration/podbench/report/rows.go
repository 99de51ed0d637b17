// SPDX-License-Identifier: Apache-2.0

// Package report shows the results of the pod benchmark: a table in Markdown with
// the targets, plots in SVG, and what has changed between two runs.
package report

import (
	"fmt"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// row is a line of the table: one series of both sides, and what is wanted of it.
type row struct {
	what, name, phase string
	// more says that more is better.
	more bool
	// p99 looks at the 99th percentile instead of the median.
	p99 bool
	// ratio is how many times better the first side is to be than the second; 0 is
	// no such target.
	ratio float64
	// bound is what the first side is not to exceed, or not to fall below; 0 is no
	// such target.
	bound float64
}

// rows are the table's. The targets are those the project set itself.
var rows = []row{
	{what: "create → first 200, small server, host network", name: "start/small/host", ratio: 15},
	{what: "create → first 200, small server, CNI bridge", name: "start/small/ipv4", ratio: 4},
	{what: "… of it CNI and the sandbox", name: "start/small/ipv4", phase: "RunPodSandbox"},
	{what: "… of it CNI's plugins", name: "start/small/ipv4", phase: result.StepPrefix + "cni"},
	{what: "create → first 200, small server, CNI bridge with IPv6", name: "start/small/bridge"},
	{what: "… of it CNI and the sandbox", name: "start/small/bridge", phase: "RunPodSandbox"},
	{what: "… of it CNI's plugins", name: "start/small/bridge", phase: result.StepPrefix + "cni"},
	{what: "create → first 200, small server, CNI bridge as flannel has it", name: "start/small/flannel"},
	{what: "… of it CNI and the sandbox", name: "start/small/flannel", phase: "RunPodSandbox"},
	{what: "… of it CNI's plugins", name: "start/small/flannel", phase: result.StepPrefix + "cni"},
	{what: "create → first 200, Go net/http, host network", name: "start/go/host", ratio: 4},
	{what: "create → first 200, 31 MB module, host network", name: "start/large/host"},
	{what: "create → exit seen, job in C", name: "start/job/host"},
	{what: "stop + remove, small server, host network", name: "stop+remove/small/host", ratio: 15},
	{what: "stop + remove, small server, CNI bridge", name: "stop+remove/small/ipv4"},
	{what: "… of it CNI's plugins", name: "start/small/ipv4", phase: result.StepPrefix + "detach"},
	{what: "stop + remove, small server, CNI bridge with IPv6", name: "stop+remove/small/bridge"},
	{what: "… of it CNI's plugins", name: "start/small/bridge", phase: result.StepPrefix + "detach"},
	{what: "stop + remove, small server, CNI bridge as flannel has it", name: "stop+remove/small/flannel"},
	{what: "… of it CNI's plugins", name: "start/small/flannel", phase: result.StepPrefix + "detach"},
	{what: "starts/s, 4 clients, host network", name: "clients/small/host", phase: "starts/s", more: true, ratio: 15},
	{what: "create → first 200, 4 clients, host network", name: "clients/small/host"},
	{what: "starts/s, 4 clients, CNI bridge with IPv6", name: "clients/small/bridge", phase: "starts/s", more: true},
	{what: "removals/s, 4 clients, host network", name: "clients/small/host", phase: "removals/s", more: true},
	{what: "PSS per idle pod, small server", name: "memory/small", phase: "PSS", bound: 2.2},
	{what: "PSS per idle pod, Go net/http", name: "memory/go", phase: "PSS", bound: 8},
	{what: "PSS per idle pod, 31 MB module", name: "memory/large", phase: "PSS"},
	{what: "MemAvailable per pod, small server", name: "memory/small", phase: "MemAvailable"},
	{what: "MemAvailable per pod, Go net/http", name: "memory/go", phase: "MemAvailable"},
	{what: "daemon growth per pod", name: "memory/small", phase: "daemon growth", bound: 60},
	{what: "ListPodSandbox, 500 pods, p99", name: "rpc", phase: "ListPodSandbox", p99: true, bound: 5},
	{what: "ListContainers, 500 pods, p99", name: "rpc", phase: "ListContainers", p99: true, bound: 5},
	{what: "PodSandboxStatus, 500 pods, p99", name: "rpc", phase: "PodSandboxStatus", p99: true, bound: 5},
	{what: "ContainerStatus, 500 pods, p99", name: "rpc", phase: "ContainerStatus", p99: true, bound: 5},
	{what: "daemon's processor time, 500 pods, polled", name: "rpc", phase: "polling", bound: 1},
	{what: "HTTP requests/s, Go, 32 kept connections, one core", name: "http/go", more: true, ratio: 0.35},
}

// value is the number of a row on a side.
func (r row) value(s *result.Series) float64 {
	if stats := s.Stats(); r.p99 {
		return stats.P99
	} else {
		return stats.Median
	}
}

// better is how many times better the first side is than the second.
func (r row) better(first, second float64) float64 {
	if first <= 0 || second <= 0 { // not measured, or within what else happens
		return 0
	}
	if r.more {
		return first / second
	}
	return second / first
}

// verdict tells whether the target is met, and what it is.
func (r row) verdict(first, second float64) (target string, met bool) {
	switch {
	case r.ratio != 0 && second != 0:
		return fmt.Sprintf("≥ %g×", r.ratio), r.better(first, second) >= r.ratio
	case r.bound != 0 && r.more:
		return fmt.Sprintf("≥ %g", r.bound), first >= r.bound
	case r.bound != 0:
		return fmt.Sprintf("≤ %g", r.bound), first <= r.bound
	}
	return "", true
}

// command is what measures the row again.
func (r row) command() string {
	prefix, target := r.name, "bench-pods"
	switch group, rest, _ := strings.Cut(prefix, "/"); {
	case group == "stop+remove":
		prefix = "start/" + rest
	case r.name == kubeletDelete:
		prefix = kubeletPod
	}
	if strings.HasPrefix(r.name, kubeletPrefix) {
		target = "bench-kubelet-pods"
	}
	return "make " + target + " BENCH='-only " + prefix + "'"
}
