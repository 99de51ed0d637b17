// SPDX-License-Identifier: Apache-2.0

package cri

import (
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

// maxStatusText bounds a container's message; the kubelet's own bound for a
// termination message is the same (MaxContainerTerminationMessageLength).
const maxStatusText = 4096

// containerStatus is a container as ContainerStatus shows it. imageRef is the
// image's digested name, the id is always the image's id.
func containerStatus(c runtime.Container, imageRef string) *runtimeapi.ContainerStatus {
	return &runtimeapi.ContainerStatus{
		Id:          c.ID,
		Metadata:    containerMetadata(c),
		State:       containerState(c.State),
		CreatedAt:   nanos(c.CreatedAt),
		StartedAt:   nanos(c.StartedAt),
		FinishedAt:  nanos(c.FinishedAt),
		ExitCode:    c.ExitCode,
		Image:       &runtimeapi.ImageSpec{Image: c.Config.ImageRef, UserSpecifiedImage: c.Config.ImageRef},
		ImageRef:    imageRef,
		ImageId:     c.Config.ImageID,
		Reason:      clean(c.Reason, maxStatusText),
		Message:     clean(c.Message, maxStatusText),
		Labels:      c.Config.Labels,
		Annotations: c.Config.Annotations,
		Mounts:      echoMounts(c.Config.Mounts),
		LogPath:     c.LogFile,
		Resources:   &runtimeapi.ContainerResources{Linux: echoResources(c.Config.Resources, c.Config.OOMScoreAdj)},
		StopSignal:  echoSignal(c.Config.StopSignal),
		User:        containerUser(c),
	}
}

// containerUser is whom the container's process was born as; a guest cannot
// become anybody else.
func containerUser(c runtime.Container) *runtimeapi.ContainerUser {
	groups := make([]int64, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = int64(g)
	}
	return &runtimeapi.ContainerUser{
		Linux: &runtimeapi.LinuxContainerUser{Uid: int64(c.UID), Gid: int64(c.GID), SupplementalGroups: groups},
	}
}

// containerItem is a container as ListContainers shows it.
func containerItem(c *runtime.Container) *runtimeapi.Container {
	return &runtimeapi.Container{
		Id:           c.ID,
		PodSandboxId: c.SandboxID,
		Metadata:     containerMetadata(*c),
		Image:        &runtimeapi.ImageSpec{Image: c.Config.ImageRef, UserSpecifiedImage: c.Config.ImageRef},
		ImageRef:     c.Config.ImageID,
		ImageId:      c.Config.ImageID,
		State:        containerState(c.State),
		CreatedAt:    nanos(c.CreatedAt),
		Labels:       c.Config.Labels,
		Annotations:  c.Config.Annotations,
	}
}

func containerMetadata(c runtime.Container) *runtimeapi.ContainerMetadata {
	return &runtimeapi.ContainerMetadata{Name: c.Config.Name, Attempt: c.Config.Attempt}
}

// containerState folds the steps between two states into the one before: a
// container that is being started has not been seen to run, and one that is
// being removed has ended.
func containerState(s runtime.State) runtimeapi.ContainerState {
	switch s {
	case runtime.StateCreating, runtime.StateCreated, runtime.StateStarting:
		return runtimeapi.ContainerState_CONTAINER_CREATED
	case runtime.StateRunning:
		return runtimeapi.ContainerState_CONTAINER_RUNNING
	case runtime.StateExited, runtime.StateRemoving:
		return runtimeapi.ContainerState_CONTAINER_EXITED
	default:
		return runtimeapi.ContainerState_CONTAINER_UNKNOWN
	}
}
