// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/wazelet/wazelet/integration/podbench/metrics"
)

// operation is what the kubelet has counted of one kind of call, in seconds.
type operation struct{ count, sum float64 }

// operations are those of the runtime as the kubelet sees them, by its own names
// (run_podsandbox …), and its pod workers' rounds as syncs.
type operations struct {
	calls map[string]operation
	syncs operation
}

// Metrics of the kubelet.
const (
	callsMetric = "kubelet_runtime_operations_duration_seconds"
	syncsMetric = "kubelet_pod_worker_duration_seconds"
)

// operations asks the kubelet.
func (b *bench) operations(ctx context.Context) (operations, error) {
	text, err := b.api.request(ctx, http.MethodGet, "/api/v1/nodes/"+b.cluster.Node()+"/proxy/metrics", nil)
	if err != nil {
		return operations{}, err
	}
	defer text.Close()
	return parseOperations(text)
}

func parseOperations(text io.Reader) (operations, error) {
	o := operations{calls: map[string]operation{}}
	families, err := metrics.Parse(text)
	if err != nil {
		return o, err
	}
	if families[callsMetric] == nil {
		return o, fmt.Errorf("the kubelet's metrics have no %s", callsMetric)
	}
	for _, metric := range families[callsMetric].GetMetric() {
		histogram := metric.GetHistogram()
		o.calls[metrics.Label(metric, "operation_type")] = operation{float64(histogram.GetSampleCount()), histogram.GetSampleSum()}
	}
	for _, metric := range families[syncsMetric].GetMetric() {
		o.syncs.count += float64(metric.GetHistogram().GetSampleCount())
		o.syncs.sum += metric.GetHistogram().GetSampleSum()
	}
	return o, nil
}

// since is what was counted since the earlier count.
func (o operations) since(earlier operations) operations {
	d := operations{calls: map[string]operation{}, syncs: o.syncs.since(earlier.syncs)}
	for name, now := range o.calls {
		if now = now.since(earlier.calls[name]); now.count > 0 {
			d.calls[name] = now
		}
	}
	return d
}

func (o operation) since(earlier operation) operation {
	return operation{o.count - earlier.count, o.sum - earlier.sum}
}

// startCalls are those that a pod's start waits for, with the names that CRI has for
// them, and endCalls those of its end.
var (
	startCalls = []struct{ kubelet, cri string }{
		{"run_podsandbox", "RunPodSandbox"}, {"create_container", "CreateContainer"}, {"start_container", "StartContainer"},
	}
	endCalls = []struct{ kubelet, cri string }{
		{"stop_container", "StopContainer"}, {"stop_podsandbox", "StopPodSandbox"},
	}
)
