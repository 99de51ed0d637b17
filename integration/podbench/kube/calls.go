// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
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
	families, err := parseMetrics(text)
	if err != nil {
		return nil, err
	}
	counts := map[string]float64{}
	for name, label := range callMetrics {
		for _, metric := range families[name].GetMetric() {
			counts[labelOf(metric, label)] += metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	if len(counts) == 0 {
		return nil, fmt.Errorf("the runtime's metrics: no calls among %d", len(families))
	}
	return counts, nil
}

func parseMetrics(text io.Reader) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return families, nil
}

func labelOf(metric *dto.Metric, name string) string {
	for _, label := range metric.GetLabel() {
		if label.GetName() == name {
			return label.GetValue()
		}
	}
	return ""
}
