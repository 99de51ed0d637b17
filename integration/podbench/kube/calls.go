// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/wazelet/wazelet/integration/podbench/metrics"
)

// Metrics of the runtimes, and the label that each has for the method. The kubelet's own
// do not count calls for statistics.
var callMetrics = map[string]string{
	"wazelet_rpc_duration_seconds": "method",
	"grpc_server_handled_total":    "grpc_method", // containerd's
}

// calls asks the side's daemon how many calls of each method it has answered.
func (b *bench) calls(ctx context.Context) (map[string]float64, error) {
	client := b.cluster.HTTP()
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.now.side.Metrics, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return parseCalls(response.Body)
}

func parseCalls(text io.Reader) (map[string]float64, error) {
	families, err := metrics.Parse(text)
	if err != nil {
		return nil, err
	}
	counts := map[string]float64{}
	for name, label := range callMetrics {
		for _, metric := range families[name].GetMetric() {
			counts[metrics.Label(metric, label)] += metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	if len(counts) == 0 {
		return nil, fmt.Errorf("the runtime's metrics: no calls among %d", len(families))
	}
	return counts, nil
}
