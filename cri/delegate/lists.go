// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"slices"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// both asks the two sides at the same time. An error of one is the error of both: a
// list that lacks one side's pods would kill them.
func both[Q, A any](ctx context.Context, own func(context.Context, Q) (A, error), request Q, theirs func() (A, error)) (ours, upstream A, err error) {
	type result struct {
		answer A
		err    error
	}
	came := make(chan result, 1)
	go func() {
		answer, err := theirs()
		came <- result{answer, err}
	}()
	ours, err = own(ctx, request)
	other := <-came
	if err == nil {
		err = other.err
	}
	return ours, other.answer, err
}

// ListPodSandbox lists the pods of both sides.
func (r *Router) ListPodSandbox(ctx context.Context, q *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	call := r.up.runtime.ListPodSandbox
	if f := q.GetFilter(); f.GetId() == "" && f.GetState() == nil && len(f.GetLabelSelector()) == 0 {
		call = r.up.mirror.listSandboxes(call)
	}
	ours, theirs, err := both(ctx, r.local.Runtime.ListPodSandbox, q, func() (*runtimeapi.ListPodSandboxResponse, error) {
		return list(ctx, r.up, readPatience, call, q, r.knownSandboxes(q))
	})
	if err != nil {
		return nil, err
	}
	ours.Items = append(ours.GetItems(), theirs.GetItems()...)
	return ours, nil
}

// ListContainers lists the containers of both sides.
func (r *Router) ListContainers(ctx context.Context, q *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	call := r.up.runtime.ListContainers
	if f := q.GetFilter(); f.GetId() == "" && f.GetState() == nil && f.GetPodSandboxId() == "" && len(f.GetLabelSelector()) == 0 {
		call = r.up.mirror.listContainers(call)
	}
	ours, theirs, err := both(ctx, r.local.Runtime.ListContainers, q, func() (*runtimeapi.ListContainersResponse, error) {
		return list(ctx, r.up, readPatience, call, q, r.knownContainers(q))
	})
	if err != nil {
		return nil, err
	}
	ours.Containers = append(ours.GetContainers(), theirs.GetContainers()...)
	return ours, nil
}

func (r *Router) knownSandboxes(q *runtimeapi.ListPodSandboxRequest) func() (*runtimeapi.ListPodSandboxResponse, bool) {
	return func() (*runtimeapi.ListPodSandboxResponse, bool) {
		all, ok := r.up.mirror.sandboxList()
		f := q.GetFilter()
		return &runtimeapi.ListPodSandboxResponse{Items: matching(all, func(sb *runtimeapi.PodSandbox) bool {
			return strings.HasPrefix(sb.GetId(), f.GetId()) &&
				(f.GetState() == nil || f.GetState().GetState() == sb.GetState()) &&
				hasLabels(sb.GetLabels(), f.GetLabelSelector())
		})}, ok
	}
}

func (r *Router) knownContainers(q *runtimeapi.ListContainersRequest) func() (*runtimeapi.ListContainersResponse, bool) {
	return func() (*runtimeapi.ListContainersResponse, bool) {
		all, ok := r.up.mirror.containerList()
		f := q.GetFilter()
		return &runtimeapi.ListContainersResponse{Containers: matching(all, func(c *runtimeapi.Container) bool {
			return strings.HasPrefix(c.GetId(), f.GetId()) && strings.HasPrefix(c.GetPodSandboxId(), f.GetPodSandboxId()) &&
				(f.GetState() == nil || f.GetState().GetState() == c.GetState()) &&
				hasLabels(c.GetLabels(), f.GetLabelSelector())
		})}, ok
	}
}

func matching[T any](all []T, wanted func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(item T) bool { return !wanted(item) })
}

// hasLabels wants every label of the selector with its very value.
func hasLabels(labels, selector map[string]string) bool {
	for key, value := range selector {
		if have, ok := labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}
