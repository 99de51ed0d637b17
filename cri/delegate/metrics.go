// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A metric of one name has one description with the kubelet, which drops values that
// have another number of labels. Where the two sides have other labels for one name,
// the description has those of both, and each side's values are given the others empty.

// labelKeys are the labels of each metric, by its name, in order.
type labelKeys map[string][]string

func keysOf(descriptors []*runtimeapi.MetricDescriptor) labelKeys {
	keys := make(labelKeys, len(descriptors))
	for _, d := range descriptors {
		keys[d.GetName()] = d.GetLabelKeys()
	}
	return keys
}

// union has the labels of both.
func (k labelKeys) union(other labelKeys) labelKeys {
	all := make(labelKeys, len(k)+len(other))
	for name, keys := range k {
		all[name] = keys
	}
	for name, keys := range other {
		have := slices.Clip(all[name])
		for _, key := range keys {
			if !slices.Contains(have, key) {
				have = append(have, key)
			}
		}
		all[name] = have
	}
	return all
}

// ListMetricDescriptors describes the metrics of both sides.
func (r *Router) ListMetricDescriptors(ctx context.Context, q *runtimeapi.ListMetricDescriptorsRequest) (*runtimeapi.ListMetricDescriptorsResponse, error) {
	ours, theirs, err := both(ctx, r.local.Runtime.ListMetricDescriptors, q, func() (*runtimeapi.ListMetricDescriptorsResponse, error) {
		return r.upstreamDescriptors(ctx, q)
	})
	if err != nil {
		return nil, err
	}
	own := keysOf(ours.GetDescriptors())
	all := own.union(keysOf(theirs.GetDescriptors()))
	merged := &runtimeapi.ListMetricDescriptorsResponse{}
	for _, d := range ours.GetDescriptors() {
		d = proto.CloneOf(d)
		d.LabelKeys = all[d.GetName()]
		merged.Descriptors = append(merged.Descriptors, d)
	}
	for _, d := range theirs.GetDescriptors() {
		if _, here := own[d.GetName()]; !here {
			merged.Descriptors = append(merged.Descriptors, d)
		}
	}
	return merged, nil
}

func (r *Router) upstreamDescriptors(ctx context.Context, q *runtimeapi.ListMetricDescriptorsRequest) (*runtimeapi.ListMetricDescriptorsResponse, error) {
	return measurements(ctx, r.up, "ListMetricDescriptors", r.up.runtime.ListMetricDescriptors, q, true,
		func(all *runtimeapi.ListMetricDescriptorsResponse) *runtimeapi.ListMetricDescriptorsResponse {
			return all
		})
}

// ListPodSandboxMetrics measures the pods of both sides in cAdvisor's terms.
func (r *Router) ListPodSandboxMetrics(ctx context.Context, q *runtimeapi.ListPodSandboxMetricsRequest) (*runtimeapi.ListPodSandboxMetricsResponse, error) {
	ours, theirs, err := both(ctx, r.local.Runtime.ListPodSandboxMetrics, q, func() (*runtimeapi.ListPodSandboxMetricsResponse, error) {
		return measurements(ctx, r.up, "ListPodSandboxMetrics", r.up.runtime.ListPodSandboxMetrics, q, true,
			func(all *runtimeapi.ListPodSandboxMetricsResponse) *runtimeapi.ListPodSandboxMetricsResponse {
				return all
			})
	})
	if err != nil {
		return nil, err
	}
	own, upstream, err := r.descriptors(ctx)
	if err != nil {
		return nil, err
	}
	all := own.union(upstream)
	return &runtimeapi.ListPodSandboxMetricsResponse{PodMetrics: mergePods(
		relabelled(ours.GetPodMetrics(), own, all), relabelled(theirs.GetPodMetrics(), upstream, all),
		(*runtimeapi.PodSandboxMetrics).GetPodSandboxId,
		func(theirs, ours *runtimeapi.PodSandboxMetrics) {
			theirs.ContainerMetrics = append(theirs.ContainerMetrics, ours.GetContainerMetrics()...)
		},
	)}, nil
}

// descriptors are the labels of each side's metrics.
func (r *Router) descriptors(ctx context.Context) (own, upstream labelKeys, err error) {
	ours, err := r.local.Runtime.ListMetricDescriptors(ctx, &runtimeapi.ListMetricDescriptorsRequest{})
	if err != nil {
		return nil, nil, err
	}
	theirs, known := kept[*runtimeapi.ListMetricDescriptorsResponse](r.up.mirror, "ListMetricDescriptors")
	if !known {
		if theirs, err = r.upstreamDescriptors(ctx, &runtimeapi.ListMetricDescriptorsRequest{}); err != nil {
			return nil, nil, err
		}
	}
	return keysOf(ours.GetDescriptors()), keysOf(theirs.GetDescriptors()), nil
}

// relabelled gives values the labels that all have, where these are not their own. Which
// metrics that concerns is found out once, not for each of the thousands of values.
func relabelled(pods []*runtimeapi.PodSandboxMetrics, own, all labelKeys) []*runtimeapi.PodSandboxMetrics {
	other := map[string]bool{}
	for name, keys := range all {
		if !slices.Equal(own[name], keys) {
			other[name] = true
		}
	}
	if len(other) == 0 {
		return pods
	}
	list := make([]*runtimeapi.PodSandboxMetrics, 0, len(pods))
	for _, pod := range pods {
		if !hasAny(pod, other) {
			list = append(list, pod)
			continue
		}
		pod = proto.CloneOf(pod) // the mirror has it too
		relabel(pod.GetMetrics(), own, all)
		for _, c := range pod.GetContainerMetrics() {
			relabel(c.GetMetrics(), own, all)
		}
		list = append(list, pod)
	}
	return list
}

// hasAny says whether a pod has a value of one of the metrics.
func hasAny(pod *runtimeapi.PodSandboxMetrics, names map[string]bool) bool {
	named := func(m *runtimeapi.Metric) bool { return names[m.GetName()] }
	return slices.ContainsFunc(pod.GetMetrics(), named) || slices.ContainsFunc(pod.GetContainerMetrics(), func(c *runtimeapi.ContainerMetrics) bool {
		return slices.ContainsFunc(c.GetMetrics(), named)
	})
}

func relabel(metrics []*runtimeapi.Metric, own, all labelKeys) {
	for _, m := range metrics {
		have, values := own[m.GetName()], make([]string, len(all[m.GetName()]))
		if len(have) != len(m.GetLabelValues()) {
			continue // it is not as described: the kubelet drops it
		}
		for i, key := range all[m.GetName()] {
			if at := slices.Index(have, key); at >= 0 {
				values[i] = m.GetLabelValues()[at]
			}
		}
		m.LabelValues = values
	}
}
