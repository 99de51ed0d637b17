// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"slices"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// statsService answers the RPCs that measure. Who asks for one pod or container
// has it measured; lists are of readings that are at most maxAge old, each with
// its time.
type statsService struct {
	sandboxes *sandbox.Controller
	runtime   *runtime.Controller
	meter     *meter
}

// ContainerStats measures one container.
func (s statsService) ContainerStats(ctx context.Context, r *runtimeapi.ContainerStatsRequest) (*runtimeapi.ContainerStatsResponse, error) {
	if err := requireID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	c, err := s.runtime.Get(r.GetContainerId())
	if err != nil {
		return nil, err
	}
	m, err := s.meter.container(ctx, c)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.ContainerStatsResponse{Stats: m.containerStats()}, nil
}

// ListContainerStats lists what the running containers that match use.
func (s statsService) ListContainerStats(ctx context.Context, r *runtimeapi.ListContainerStatsRequest) (*runtimeapi.ListContainerStatsResponse, error) {
	containers := slices.DeleteFunc(s.runtime.List(), func(c runtime.Container) bool { return !matchesContainerStats(c, r.GetFilter()) })
	resp := &runtimeapi.ListContainerStatsResponse{}
	for _, m := range all(ctx, containers, s.meter.listed) {
		resp.Stats = append(resp.Stats, m.containerStats())
	}
	return resp, nil
}

// PodSandboxStats measures one pod, its containers and its network.
func (s statsService) PodSandboxStats(ctx context.Context, r *runtimeapi.PodSandboxStatsRequest) (*runtimeapi.PodSandboxStatsResponse, error) {
	sb, err := shownSandbox(s.sandboxes, r.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	containers := all(ctx, s.runtime.ListOf(sb.ID), s.meter.container)
	return &runtimeapi.PodSandboxStatsResponse{Stats: podStats(sb, s.meter.pod(ctx, sb), containers)}, nil
}

// ListPodSandboxStats lists what the ready pods that match use.
func (s statsService) ListPodSandboxStats(ctx context.Context, r *runtimeapi.ListPodSandboxStatsRequest) (*runtimeapi.ListPodSandboxStatsResponse, error) {
	resp := &runtimeapi.ListPodSandboxStatsResponse{}
	containers := s.meter.bySandbox()
	for _, sb := range s.sandboxes.List() {
		if sb.State != sandbox.StateReady || !matchesSandboxStats(sb, r.GetFilter()) {
			continue
		}
		pod, err := s.meter.pods.get(ctx, sb.ID)
		if err != nil {
			notMeasured(ctx, "sandbox_id", sb.ID, err)
			continue
		}
		resp.Stats = append(resp.Stats, podStats(sb, pod, all(ctx, containers[sb.ID], s.meter.listed)))
	}
	return resp, nil
}
