// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// RunPodSandbox makes a pod on the side that its handler says. A handler that
// Wazelet's configuration does not name is the upstream runtime's to know or to refuse.
func (r *Router) RunPodSandbox(ctx context.Context, q *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	handler := r.handlerOf(q.GetRuntimeHandler())
	if r.own[handler] {
		return r.local.Runtime.RunPodSandbox(ctx, q)
	}
	if _, hybrid := r.local.Hybrid.Handlers[handler]; hybrid {
		return r.runHybrid(ctx, q)
	}
	return r.runThere(ctx, q)
}

func (r *Router) runThere(ctx context.Context, q *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	return done(ctx, r.up, r.up.runtime.RunPodSandbox, q, func(a *runtimeapi.RunPodSandboxResponse) {
		r.up.mirror.sandboxMade(a.GetPodSandboxId(), q)
	})
}

// StopPodSandbox stops a pod on its side; of a hybrid one, what is Wazelet's first.
func (r *Router) StopPodSandbox(ctx context.Context, q *runtimeapi.StopPodSandboxRequest) (*runtimeapi.StopPodSandboxResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.local.Runtime.StopPodSandbox, func() (*runtimeapi.StopPodSandboxResponse, error) {
		if err := endAdopted(ctx, r, q.GetPodSandboxId(), r.local.Runtime.StopPodSandbox, q); err != nil {
			return nil, err
		}
		return done(ctx, r.up, r.up.runtime.StopPodSandbox, q, func(*runtimeapi.StopPodSandboxResponse) {
			r.up.mirror.sandboxStopped(q.GetPodSandboxId())
		})
	})
}

// RemovePodSandbox removes a pod on its side; of a hybrid one, what is Wazelet's first.
func (r *Router) RemovePodSandbox(ctx context.Context, q *runtimeapi.RemovePodSandboxRequest) (*runtimeapi.RemovePodSandboxResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.local.Runtime.RemovePodSandbox, func() (*runtimeapi.RemovePodSandboxResponse, error) {
		if err := endAdopted(ctx, r, q.GetPodSandboxId(), r.local.Runtime.RemovePodSandbox, q); err != nil {
			return nil, err
		}
		return done(ctx, r.up, r.up.runtime.RemovePodSandbox, q, func(*runtimeapi.RemovePodSandboxResponse) {
			r.up.mirror.sandboxRemoved(q.GetPodSandboxId())
		})
	})
}

// PodSandboxStatus shows a pod.
func (r *Router) PodSandboxStatus(ctx context.Context, q *runtimeapi.PodSandboxStatusRequest) (*runtimeapi.PodSandboxStatusResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.local.Runtime.PodSandboxStatus, func() (*runtimeapi.PodSandboxStatusResponse, error) {
		answer, err := askOne(ctx, r.up, r.up.runtime.PodSandboxStatus, q, func() (*runtimeapi.PodSandboxStatusResponse, bool) {
			return r.up.mirror.sandboxStatusOf(q.GetPodSandboxId())
		})
		if err == nil && !q.GetVerbose() {
			r.up.mirror.sandboxSeen(answer)
		}
		return answer, err
	})
}

// UpdatePodSandboxResources tells a pod's side of a resize.
func (r *Router) UpdatePodSandboxResources(ctx context.Context, q *runtimeapi.UpdatePodSandboxResourcesRequest) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.local.Runtime.UpdatePodSandboxResources, func() (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
		return forward(ctx, r.up, r.up.runtime.UpdatePodSandboxResources, q)
	})
}

// PortForward returns the URL of the side that the pod is on.
func (r *Router) PortForward(ctx context.Context, q *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.local.Runtime.PortForward, func() (*runtimeapi.PortForwardResponse, error) {
		return forward(ctx, r.up, r.up.runtime.PortForward, q)
	})
}

// CheckpointPod is for the pod's side.
func (r *Router) CheckpointPod(ctx context.Context, q *runtimeapi.CheckpointPodRequest) (*runtimeapi.CheckpointPodResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.local.Runtime.CheckpointPod, func() (*runtimeapi.CheckpointPodResponse, error) {
		return forward(ctx, r.up, r.up.runtime.CheckpointPod, q)
	})
}

// RestorePod is for the side that the handler says.
func (r *Router) RestorePod(ctx context.Context, q *runtimeapi.RestorePodRequest) (*runtimeapi.RestorePodResponse, error) {
	if r.isOwn(q.GetRuntimeHandler()) {
		return r.local.Runtime.RestorePod(ctx, q)
	}
	return forward(ctx, r.up, r.up.runtime.RestorePod, q)
}
