// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri/parts"
	"github.com/wazelet/wazelet/runtime"
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

// metrics appends what T shows of the family; base are the values of baseLabels.
// A time of 0 says that it was measured just now.
func (f family[T]) metrics(list []*runtimeapi.Metric, base []string, from T) []*runtimeapi.Metric {
	for _, s := range f.samples(from) {
		list = append(list, &runtimeapi.Metric{
			Name: f.name, MetricType: f.kind, LabelValues: slices.Concat(base, s.labels), Value: counter(s.value),
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

// ListPodSandboxMetrics measures every ready pod.
func (s statsService) ListPodSandboxMetrics(ctx context.Context, _ *runtimeapi.ListPodSandboxMetricsRequest) (*runtimeapi.ListPodSandboxMetricsResponse, error) {
	volume, err := s.volume(ctx)
	if err != nil {
		return nil, err
	}
	resp := &runtimeapi.ListPodSandboxMetricsResponse{}
	for _, sb := range s.sandboxes.List() {
		if sb.State == sandbox.StateReady {
			resp.PodMetrics = append(resp.PodMetrics, s.podMetrics(ctx, sb, volume))
		}
	}
	return resp, nil
}

// StreamPodSandboxMetrics measures every ready pod, in parts.
func (s statsService) StreamPodSandboxMetrics(_ *runtimeapi.StreamPodSandboxMetricsRequest, stream grpc.ServerStreamingServer[runtimeapi.StreamPodSandboxMetricsResponse]) error {
	list, err := s.ListPodSandboxMetrics(stream.Context(), &runtimeapi.ListPodSandboxMetricsRequest{})
	if err != nil {
		return err
	}
	return parts.Send(list.GetPodMetrics(), func(part []*runtimeapi.PodSandboxMetrics) error {
		return stream.Send(&runtimeapi.StreamPodSandboxMetricsResponse{PodSandboxMetrics: part})
	})
}

// podMetrics are the network's metrics, which have no container and no image,
// and those of each container. What cannot be measured is left out.
func (s statsService) podMetrics(ctx context.Context, sb sandbox.Sandbox, volume volume) *runtimeapi.PodSandboxMetrics {
	pod := &runtimeapi.PodSandboxMetrics{PodSandboxId: sb.ID}
	base := []string{"", s.runtime.SandboxCgroup(sb), "", sb.ID, sb.Namespace, sb.Name}
	links := s.interfaces(ctx, sb)
	for _, f := range networkFamilies {
		pod.Metrics = f.metrics(pod.Metrics, base, links)
	}
	for _, m := range s.measureAll(ctx, func(c runtime.Container) bool { return c.SandboxID == sb.ID }) {
		c := m.container
		processes, err := s.runtime.Processes(ctx, c.ID)
		if err != nil {
			if !errdefs.IsNotFound(err) { // removed meanwhile
				log.G(ctx).WithError(err).WithField("container_id", c.ID).Warn("container not measured")
			}
			continue
		}
		one := &runtimeapi.ContainerMetrics{ContainerId: c.ID}
		base := []string{c.Config.Name, processes.Cgroup, c.Config.ImageRef, c.ID, sb.Namespace, sb.Name}
		for _, f := range containerFamilies {
			one.Metrics = f.metrics(one.Metrics, base, subject{measurement: m, processes: processes, volume: volume})
		}
		pod.ContainerMetrics = append(pod.ContainerMetrics, one)
	}
	return pod
}
