// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// containerService answers the RPCs on containers.
type containerService struct {
	sandboxes *sandbox.Controller
	runtime   *runtime.Controller
	images    *imageservice.Service
	listed    *encodings[runtime.Container]
	statuses  *statuses
}

func newContainerService(o Options) containerService {
	return containerService{
		sandboxes: o.Sandboxes, runtime: o.Runtime, images: o.Images,
		listed:   newEncodings(func(c *runtime.Container) proto.Message { return containerItem(c) }),
		statuses: &statuses{current: o.Runtime.Snapshot},
	}
}

// CreateContainer makes a container whose module is loaded and waits. Repeated
// with the same metadata it returns the same container. The sandbox's config
// is not read from the request: the sandbox has its own.
func (s containerService) CreateContainer(ctx context.Context, r *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	sb, err := shownSandbox(s.sandboxes, r.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	config, err := containerConfig(r.GetConfig())
	if err != nil {
		return nil, err
	}
	if err := validatePodUserns(r.GetConfig(), sb); err != nil {
		return nil, err
	}
	if config.MemoryGrowFail, err = memoryGrowFail(sb.Annotations); err != nil {
		return nil, err
	}
	image, err := s.images.Get(ctx, r.GetConfig().GetImage().GetImage())
	if err != nil {
		return nil, err
	}
	config.ImageID = image.ID
	c, err := s.runtime.Create(ctx, sb.ID, config)
	if err != nil {
		return nil, err
	}
	return &runtimeapi.CreateContainerResponse{ContainerId: c.ID}, nil
}

// StartContainer lets the guest run.
func (s containerService) StartContainer(ctx context.Context, r *runtimeapi.StartContainerRequest) (*runtimeapi.StartContainerResponse, error) {
	if err := requireID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := s.runtime.Start(ctx, r.GetContainerId()); err != nil {
		return nil, err
	}
	return &runtimeapi.StartContainerResponse{}, nil
}

// StopContainer ends the guest, by force after the grace period; an absent
// container is stopped.
func (s containerService) StopContainer(ctx context.Context, r *runtimeapi.StopContainerRequest) (*runtimeapi.StopContainerResponse, error) {
	if err := requireID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := absentIsDone(ctx, s.runtime.Stop(ctx, r.GetContainerId(), grace(r.GetTimeout()))); err != nil {
		return nil, err
	}
	return &runtimeapi.StopContainerResponse{}, nil
}

// maxGrace is a year: longer than any pod waits, and no overflow of a Duration.
const maxGrace = 365 * 24 * time.Hour

// grace converts a grace period of seconds. A negative one is over already.
func grace(seconds int64) time.Duration {
	return min(time.Duration(min(max(seconds, 0), int64(maxGrace/time.Second)))*time.Second, maxGrace)
}

// RemoveContainer takes a container back, whatever it does; an absent one is
// removed.
func (s containerService) RemoveContainer(ctx context.Context, r *runtimeapi.RemoveContainerRequest) (*runtimeapi.RemoveContainerResponse, error) {
	if err := requireID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := absentIsDone(ctx, s.runtime.Remove(ctx, r.GetContainerId())); err != nil {
		return nil, err
	}
	return &runtimeapi.RemoveContainerResponse{}, nil
}

// ListContainers lists the containers that match, encoded: see [encodings].
func (s containerService) ListContainers(_ context.Context, r *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	resp := &runtimeapi.ListContainersResponse{}
	return resp, s.listed.answer(resp, s.runtime.Snapshot(), containerFilter(r.GetFilter()))
}

// ContainerStatus shows one container, encoded: see [statuses].
func (s containerService) ContainerStatus(ctx context.Context, r *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	c, err := s.shown(r.GetContainerId())
	if err != nil {
		return nil, err
	}
	resp := &runtimeapi.ContainerStatusResponse{}
	if err := s.statuses.answer(resp, c, s.imageRef(ctx, c)); err != nil {
		return nil, err
	}
	if r.GetVerbose() {
		resp.Info, err = verboseInfo(*c)
	}
	return resp, err
}

// UpdateContainerResources changes the limits of a live container.
func (s containerService) UpdateContainerResources(ctx context.Context, r *runtimeapi.UpdateContainerResourcesRequest) (*runtimeapi.UpdateContainerResourcesResponse, error) {
	c, err := s.shown(r.GetContainerId())
	if err != nil {
		return nil, err
	}
	update, err := containerResources("linux", r.GetLinux())
	if err != nil {
		return nil, err
	}
	merge := func(now cgroup.Resources) cgroup.Resources { return mergeResources(now, update) }
	if err := s.runtime.UpdateResources(ctx, c.ID, merge); err != nil {
		return nil, err
	}
	return &runtimeapi.UpdateContainerResourcesResponse{}, nil
}

// ReopenContainerLog makes a container write to a new file after the kubelet
// has moved the old one. For one that has ended it is an error, and no file is
// made.
func (s containerService) ReopenContainerLog(ctx context.Context, r *runtimeapi.ReopenContainerLogRequest) (*runtimeapi.ReopenContainerLogResponse, error) {
	if err := requireID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := s.runtime.ReopenLog(ctx, r.GetContainerId()); err != nil {
		return nil, err
	}
	return &runtimeapi.ReopenContainerLogResponse{}, nil
}

// shown finds a container that a client may know of.
func (s containerService) shown(id string) (*runtime.Container, error) {
	if err := requireID("container_id", id); err != nil {
		return nil, err
	}
	c, err := s.runtime.Find(id)
	if err != nil {
		return nil, err
	}
	if c.State == runtime.StateCreating {
		return nil, fmt.Errorf("container %s: is still being created: %w", c.ID, errdefs.ErrNotFound)
	}
	return c, nil
}

// imageRef is the reference kubectl shows as a container's imageID: the digest
// under the repository it was pulled from, as long as the image is here.
func (s containerService) imageRef(ctx context.Context, c *runtime.Container) string {
	image, err := s.images.Get(ctx, c.Config.ImageID)
	if err != nil {
		return c.Config.ImageID
	}
	return digestedRef(image, c.Config.ImageRef)
}
