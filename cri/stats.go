// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/vishvananda/netlink"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// statsService answers the RPCs that measure.
type statsService struct {
	sandboxes *sandbox.Controller
	runtime   *runtime.Controller
	images    *imageservice.Service
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
	m, err := s.measure(ctx, c)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.ContainerStatsResponse{Stats: m.containerStats()}, nil
}

// ListContainerStats measures the running containers that match.
func (s statsService) ListContainerStats(ctx context.Context, r *runtimeapi.ListContainerStatsRequest) (*runtimeapi.ListContainerStatsResponse, error) {
	resp := &runtimeapi.ListContainerStatsResponse{}
	for _, m := range s.measureAll(ctx, func(c runtime.Container) bool { return matchesContainerStats(c, r.GetFilter()) }) {
		resp.Stats = append(resp.Stats, m.containerStats())
	}
	return resp, nil
}

// PodSandboxStats measures one pod.
func (s statsService) PodSandboxStats(ctx context.Context, r *runtimeapi.PodSandboxStatsRequest) (*runtimeapi.PodSandboxStatsResponse, error) {
	sb, err := shownSandbox(s.sandboxes, r.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	return &runtimeapi.PodSandboxStatsResponse{Stats: s.measurePod(ctx, sb)}, nil
}

// ListPodSandboxStats measures the ready pods that match.
func (s statsService) ListPodSandboxStats(ctx context.Context, r *runtimeapi.ListPodSandboxStatsRequest) (*runtimeapi.ListPodSandboxStatsResponse, error) {
	resp := &runtimeapi.ListPodSandboxStatsResponse{}
	for _, sb := range s.sandboxes.List() {
		if sb.State == sandbox.StateReady && matchesSandboxStats(sb, r.GetFilter()) {
			resp.Stats = append(resp.Stats, s.measurePod(ctx, sb))
		}
	}
	return resp, nil
}

// measurement is what a container was found to use at a moment.
type measurement struct {
	container  runtime.Container
	stats      runtime.Stats
	mountpoint string // of the file system the writable layer is on
	at         time.Time
}

func (s statsService) measure(ctx context.Context, c runtime.Container) (measurement, error) {
	stats, err := s.runtime.Stats(ctx, c.ID)
	if err != nil {
		return measurement{}, err
	}
	fs, err := s.images.Filesystem(ctx)
	if err != nil {
		return measurement{}, err
	}
	return measurement{container: c, stats: stats, mountpoint: fs.Mountpoint, at: time.Now()}, nil
}

// measureAll measures the containers that have a process. One that cannot be
// measured is left out: the list must not fail for it, because the kubelet
// decides on eviction by the others.
func (s statsService) measureAll(ctx context.Context, wanted func(runtime.Container) bool) []measurement {
	var all []measurement
	for _, c := range s.runtime.List() {
		if c.State != runtime.StateRunning && c.State != runtime.StateStarting && c.State != runtime.StateCreated {
			continue
		}
		if !wanted(c) {
			continue
		}
		m, err := s.measure(ctx, c)
		if err != nil {
			if !errdefs.IsNotFound(err) { // removed meanwhile
				log.G(ctx).WithError(err).WithField("container_id", c.ID).Warn("container not measured")
			}
			continue
		}
		all = append(all, m)
	}
	return all
}

// measurePod measures a pod, its containers and its network.
func (s statsService) measurePod(ctx context.Context, sb sandbox.Sandbox) *runtimeapi.PodSandboxStats {
	containers := s.measureAll(ctx, func(c runtime.Container) bool { return c.SandboxID == sb.ID })
	stats := podStats(sb, s.whole(ctx, sb, containers), containers)
	stats.Linux.Network = interfaceUsage(s.interfaces(ctx, sb), time.Now())
	return stats
}

// whole is what a pod uses: by its cgroup, where containers that have ended are
// still counted, or else the sum of its containers.
func (s statsService) whole(ctx context.Context, sb sandbox.Sandbox, containers []measurement) runtime.SandboxStats {
	stats, err := s.runtime.SandboxStats(ctx, sb.ID)
	if err == nil {
		return stats
	}
	if !errdefs.IsNotFound(err) {
		log.G(ctx).WithError(err).WithField("sandbox_id", sb.ID).Warn("pod's cgroup not measured")
	}
	return sumOf(containers, time.Now())
}

// interfaces reads the counters of a pod's own network. Those of an adopted one are the
// other runtime's to tell.
func (s statsService) interfaces(ctx context.Context, sb sandbox.Sandbox) []*netlink.LinkAttrs {
	if sb.NetNS == "" || sb.State != sandbox.StateReady || sb.Adopted {
		return nil
	}
	links, err := networkInterfaces(sb.NetNS)
	if err != nil {
		log.G(ctx).WithError(err).WithField("sandbox_id", sb.ID).Warn("network not measured")
	}
	return links
}
