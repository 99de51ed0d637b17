// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// keeping is a call whose whole answer the mirror keeps.
func keeping[Q, A proto.Message](m *mirror, rpc string, call func(context.Context, Q) (A, error)) func(context.Context, Q) (A, error) {
	return func(ctx context.Context, request Q) (A, error) {
		answer, err := call(ctx, request)
		if err == nil {
			m.keep(rpc, answer)
		}
		return answer, err
	}
}

// measurements are what an upstream runtime measures: as last seen when it is away,
// with the time of then, and nothing when it measures nothing of the kind.
func measurements[Q, A proto.Message](ctx context.Context, u *Upstream, rpc string, call method[Q, A], request Q, unfiltered bool, filter func(A) A) (A, error) {
	keep := func(ctx context.Context, request Q) (A, error) {
		var none A
		answer, err := list(ctx, u, measurePatience, call, request, func() (A, bool) {
			last, ok := kept[A](u.mirror, rpc)
			if !ok { // nothing was measured yet: the kubelet does without
				return none, true
			}
			return filter(last), true
		})
		if isUnimplemented(err) {
			return none, nil
		}
		return answer, err
	}
	if unfiltered {
		keep = keeping(u.mirror, rpc, keep)
	}
	return keep(ctx, request)
}

// ContainerStats measures a container.
func (r *Router) ContainerStats(ctx context.Context, q *runtimeapi.ContainerStatsRequest) (*runtimeapi.ContainerStatsResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.ContainerStats, func() (*runtimeapi.ContainerStatsResponse, error) {
		return forward(ctx, r.up, r.up.runtime.ContainerStats, q)
	})
}

// PodSandboxStats measures a pod.
func (r *Router) PodSandboxStats(ctx context.Context, q *runtimeapi.PodSandboxStatsRequest) (*runtimeapi.PodSandboxStatsResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.local.Runtime.PodSandboxStats, func() (*runtimeapi.PodSandboxStatsResponse, error) {
		theirs, err := forward(ctx, r.up, r.up.runtime.PodSandboxStats, q)
		if err == nil && r.local.Hybrid.Adopted != nil && r.local.Hybrid.Adopted(q.GetPodSandboxId()) {
			if ours, err := r.local.Runtime.PodSandboxStats(ctx, q); err == nil { // or it has just gone
				addContainers(theirs.GetStats(), ours.GetStats())
			}
		}
		return theirs, err
	})
}

// ListContainerStats measures the containers of both sides.
func (r *Router) ListContainerStats(ctx context.Context, q *runtimeapi.ListContainerStatsRequest) (*runtimeapi.ListContainerStatsResponse, error) {
	f := q.GetFilter()
	unfiltered := f.GetId() == "" && f.GetPodSandboxId() == "" && len(f.GetLabelSelector()) == 0
	ours, theirs, err := both(ctx, r.local.Runtime.ListContainerStats, q, func() (*runtimeapi.ListContainerStatsResponse, error) {
		return measurements(ctx, r.up, "ListContainerStats", r.up.runtime.ListContainerStats, q, unfiltered, r.filterContainerStats(f))
	})
	if err != nil {
		return nil, err
	}
	ours.Stats = append(ours.GetStats(), theirs.GetStats()...)
	return ours, nil
}

// filterContainerStats applies a filter to what is known; which pod a container is of
// is told by the list of containers.
func (r *Router) filterContainerStats(f *runtimeapi.ContainerStatsFilter) func(*runtimeapi.ListContainerStatsResponse) *runtimeapi.ListContainerStatsResponse {
	return func(all *runtimeapi.ListContainerStatsResponse) *runtimeapi.ListContainerStatsResponse {
		pods := map[string]string{}
		containers, _ := r.up.mirror.containerList()
		for _, c := range containers {
			pods[c.GetId()] = c.GetPodSandboxId()
		}
		return &runtimeapi.ListContainerStatsResponse{Stats: matching(all.GetStats(), func(s *runtimeapi.ContainerStats) bool {
			id := s.GetAttributes().GetId()
			return strings.HasPrefix(id, f.GetId()) && strings.HasPrefix(pods[id], f.GetPodSandboxId()) &&
				hasLabels(s.GetAttributes().GetLabels(), f.GetLabelSelector())
		})}
	}
}

// ListPodSandboxStats measures the pods of both sides.
func (r *Router) ListPodSandboxStats(ctx context.Context, q *runtimeapi.ListPodSandboxStatsRequest) (*runtimeapi.ListPodSandboxStatsResponse, error) {
	f := q.GetFilter()
	unfiltered := f.GetId() == "" && len(f.GetLabelSelector()) == 0
	ours, theirs, err := both(ctx, r.local.Runtime.ListPodSandboxStats, q, func() (*runtimeapi.ListPodSandboxStatsResponse, error) {
		return measurements(ctx, r.up, "ListPodSandboxStats", r.up.runtime.ListPodSandboxStats, q, unfiltered,
			func(all *runtimeapi.ListPodSandboxStatsResponse) *runtimeapi.ListPodSandboxStatsResponse {
				return &runtimeapi.ListPodSandboxStatsResponse{Stats: matching(all.GetStats(), func(s *runtimeapi.PodSandboxStats) bool {
					return strings.HasPrefix(s.GetAttributes().GetId(), f.GetId()) && hasLabels(s.GetAttributes().GetLabels(), f.GetLabelSelector())
				})}
			})
	})
	if err != nil {
		return nil, err
	}
	ours.Stats = mergePods(ours.GetStats(), theirs.GetStats(), func(s *runtimeapi.PodSandboxStats) string { return s.GetAttributes().GetId() }, addContainers)
	return ours, nil
}

// mergePods lists the pods of both sides. What Wazelet measures in a hybrid pod is
// added to what the upstream runtime does.
func mergePods[T proto.Message](ours, theirs []T, id func(T) string, add func(theirs, ours T)) []T {
	at := make(map[string]int, len(theirs))
	for i, pod := range theirs {
		at[id(pod)] = i
	}
	merged := make([]T, 0, len(ours)+len(theirs))
	own := map[string]T{}
	for _, pod := range ours {
		if _, hybrid := at[id(pod)]; hybrid {
			own[id(pod)] = pod
			continue
		}
		merged = append(merged, pod)
	}
	for _, pod := range theirs {
		if ours, hybrid := own[id(pod)]; hybrid {
			pod = proto.CloneOf(pod) // the mirror has it too
			add(pod, ours)
		}
		merged = append(merged, pod)
	}
	return merged
}

// addContainers adds Wazelet's containers to a pod, whose own figures, by its cgroup,
// have them in already.
func addContainers(theirs, ours *runtimeapi.PodSandboxStats) {
	if theirs.Linux == nil {
		theirs.Linux = &runtimeapi.LinuxPodSandboxStats{}
	}
	theirs.Linux.Containers = append(theirs.Linux.Containers, ours.GetLinux().GetContainers()...)
}
