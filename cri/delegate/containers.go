// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// CreateContainer makes a container in a pod, on the pod's side.
func (r *Router) CreateContainer(ctx context.Context, q *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	return route(ctx, r, r.sandbox(), q.GetPodSandboxId(), q, r.createHere, func() (*runtimeapi.CreateContainerResponse, error) {
		if handler := r.hybrid(q.GetPodSandboxId()); handler != "" {
			return r.createHybrid(ctx, handler, q)
		}
		return r.createThere(ctx, q)
	})
}

// StartContainer starts a container.
func (r *Router) StartContainer(ctx context.Context, q *runtimeapi.StartContainerRequest) (*runtimeapi.StartContainerResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.StartContainer, func() (*runtimeapi.StartContainerResponse, error) {
		return done(ctx, r.up, r.up.runtime.StartContainer, q, func(*runtimeapi.StartContainerResponse) {
			r.up.mirror.containerStarted(q.GetContainerId())
		})
	})
}

// StopContainer stops a container.
func (r *Router) StopContainer(ctx context.Context, q *runtimeapi.StopContainerRequest) (*runtimeapi.StopContainerResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.StopContainer, func() (*runtimeapi.StopContainerResponse, error) {
		return done(ctx, r.up, r.up.runtime.StopContainer, q, func(*runtimeapi.StopContainerResponse) {
			r.up.mirror.containerStopped(q.GetContainerId())
		})
	})
}

// RemoveContainer removes a container.
func (r *Router) RemoveContainer(ctx context.Context, q *runtimeapi.RemoveContainerRequest) (*runtimeapi.RemoveContainerResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.RemoveContainer, func() (*runtimeapi.RemoveContainerResponse, error) {
		return done(ctx, r.up, r.up.runtime.RemoveContainer, q, func(*runtimeapi.RemoveContainerResponse) {
			r.up.mirror.containerRemoved(q.GetContainerId())
		})
	})
}

// ContainerStatus shows a container.
func (r *Router) ContainerStatus(ctx context.Context, q *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.ContainerStatus, func() (*runtimeapi.ContainerStatusResponse, error) {
		answer, err := askOne(ctx, r.up, r.up.runtime.ContainerStatus, q, func() (*runtimeapi.ContainerStatusResponse, bool) {
			return r.up.mirror.containerStatusOf(q.GetContainerId())
		})
		if err == nil && !q.GetVerbose() {
			r.up.mirror.containerSeen(answer)
		}
		return answer, err
	})
}

// UpdateContainerResources changes the limits of a container.
func (r *Router) UpdateContainerResources(ctx context.Context, q *runtimeapi.UpdateContainerResourcesRequest) (*runtimeapi.UpdateContainerResourcesResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.UpdateContainerResources, func() (*runtimeapi.UpdateContainerResourcesResponse, error) {
		return forward(ctx, r.up, r.up.runtime.UpdateContainerResources, q)
	})
}

// ReopenContainerLog makes a container write to a new log file.
func (r *Router) ReopenContainerLog(ctx context.Context, q *runtimeapi.ReopenContainerLogRequest) (*runtimeapi.ReopenContainerLogResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.ReopenContainerLog, func() (*runtimeapi.ReopenContainerLogResponse, error) {
		return forward(ctx, r.up, r.up.runtime.ReopenContainerLog, q)
	})
}

// ExecSync runs a command to its end.
func (r *Router) ExecSync(ctx context.Context, q *runtimeapi.ExecSyncRequest) (*runtimeapi.ExecSyncResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.ExecSync, func() (*runtimeapi.ExecSyncResponse, error) {
		return forward(ctx, r.up, r.up.runtime.ExecSync, q)
	})
}

// Exec returns the URL of the side that the container is on.
func (r *Router) Exec(ctx context.Context, q *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.Exec, func() (*runtimeapi.ExecResponse, error) {
		return forward(ctx, r.up, r.up.runtime.Exec, q)
	})
}

// Attach returns the URL of the side that the container is on.
func (r *Router) Attach(ctx context.Context, q *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.Attach, func() (*runtimeapi.AttachResponse, error) {
		return forward(ctx, r.up, r.up.runtime.Attach, q)
	})
}

// CheckpointContainer is for the container's side.
func (r *Router) CheckpointContainer(ctx context.Context, q *runtimeapi.CheckpointContainerRequest) (*runtimeapi.CheckpointContainerResponse, error) {
	return route(ctx, r, r.container(), q.GetContainerId(), q, r.local.Runtime.CheckpointContainer, func() (*runtimeapi.CheckpointContainerResponse, error) {
		return forward(ctx, r.up, r.up.runtime.CheckpointContainer, q)
	})
}
