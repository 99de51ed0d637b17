// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri/parts"
	"github.com/wazelet/wazelet/sandbox"
)

// The metrics are cAdvisor's, by name, kind and label, so that what people have
// built on the kubelet's /metrics/cadvisor goes on working when it takes them
// from here (feature gate PodAndContainerStatsFromCRI). Their values are whole
// numbers, because CRI has no others.

// baseLabels are on every metric, in this order.
var baseLabels = []string{"container", "id", "image", "name", "namespace", "pod"}

// sample is one value of a metric: labels go after the base ones.
type sample struct {
	labels []string
	value  uint64
}

// family is one metric, and how it is read from a T.
type family[T any] struct {
	name, help string
	kind       runtimeapi.MetricType
	labels     []string // the keys after baseLabels
	samples    func(T) []sample
}

func (f family[T]) descriptor() *runtimeapi.MetricDescriptor {
	return &runtimeapi.MetricDescriptor{Name: f.name, Help: f.help, LabelKeys: slices.Concat(baseLabels, f.labels)}
}

// metrics appends what T showed of the family at a time; base are the values of
// baseLabels.
func (f family[T]) metrics(list []*runtimeapi.Metric, base []string, at time.Time, from T) []*runtimeapi.Metric {
	for _, s := range f.samples(from) {
		labels := base
		if len(s.labels) > 0 {
			labels = slices.Concat(base, s.labels)
		}
		list = append(list, &runtimeapi.Metric{
			Name: f.name, MetricType: f.kind, LabelValues: labels, Value: counter(s.value), Timestamp: at.UnixNano(),
		})
	}
	return list
}

// ListMetricDescriptors describes every metric that ListPodSandboxMetrics may
// have.
func (statsService) ListMetricDescriptors(context.Context, *runtimeapi.ListMetricDescriptorsRequest) (*runtimeapi.ListMetricDescriptorsResponse, error) {
	resp := &runtimeapi.ListMetricDescriptorsResponse{}
	for _, f := range containerFamilies {
		resp.Descriptors = append(resp.Descriptors, f.descriptor())
	}
	for _, f := range networkFamilies {
		resp.Descriptors = append(resp.Descriptors, f.descriptor())
	}
	return resp, nil
}

// ListPodSandboxMetrics lists the metrics of every ready pod.
func (s statsService) ListPodSandboxMetrics(ctx context.Context, _ *runtimeapi.ListPodSandboxMetricsRequest) (*runtimeapi.ListPodSandboxMetricsResponse, error) {
	volume, err := s.meter.volume(ctx)
	if err != nil {
		return nil, err
	}
	resp := &runtimeapi.ListPodSandboxMetricsResponse{}
	containers := s.meter.bySandbox()
	for _, sb := range s.sandboxes.List() {
		if sb.State != sandbox.StateReady {
			continue
		}
		pod, err := s.meter.pods.get(ctx, sb.ID)
		if err != nil {
			notMeasured(ctx, "sandbox_id", sb.ID, err)
			continue
		}
		metrics := podMetrics(sb, pod)
		for _, c := range all(ctx, containers[sb.ID], s.meter.detailed) {
			c.volume = volume
			metrics.ContainerMetrics = append(metrics.ContainerMetrics, containerMetrics(sb, c))
		}
		resp.PodMetrics = append(resp.PodMetrics, metrics)
	}
	return resp, nil
}

// StreamPodSandboxMetrics lists the metrics of every ready pod, in parts.
func (s statsService) StreamPodSandboxMetrics(_ *runtimeapi.StreamPodSandboxMetricsRequest, stream grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxMetricsResponse]) error {
	list, err := s.ListPodSandboxMetrics(stream.Context(), &runtimeapi.ListPodSandboxMetricsRequest{})
	if err != nil {
		return err
	}
	return parts.Send(list.GetPodMetrics(), func(part []*runtimeapi.PodSandboxMetrics) error {
		return stream.Send(&runtimeapi.StreamPodSandboxMetricsResponse{PodSandboxMetrics: part})
	})
}

// podMetrics are the network's metrics, which have no container and no image.
func podMetrics(sb sandbox.Sandbox, pod podReading) *runtimeapi.PodSandboxMetrics {
	metrics := &runtimeapi.PodSandboxMetrics{PodSandboxId: sb.ID}
	base := []string{"", pod.Cgroup, "", sb.ID, sb.Namespace, sb.Name}
	for _, f := range networkFamilies {
		metrics.Metrics = f.metrics(metrics.Metrics, base, pod.at, pod.links)
	}
	return metrics
}

// containerMetrics are the metrics of a container of a pod.
func containerMetrics(sb sandbox.Sandbox, s subject) *runtimeapi.ContainerMetrics {
	c := s.container
	metrics := &runtimeapi.ContainerMetrics{ContainerId: c.ID, Metrics: make([]*runtimeapi.Metric, 0, 2*len(containerFamilies))}
	base := []string{c.Config.Name, s.processes.Cgroup, c.Config.ImageRef, c.ID, sb.Namespace, sb.Name}
	for _, f := range containerFamilies {
		metrics.Metrics = f.metrics(metrics.Metrics, base, s.at(), s)
	}
	return metrics
}
