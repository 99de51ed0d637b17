// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"time"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// What a call has done upstream is in the mirror before its client has the answer: a
// client that has been told of a pod finds it in every list.

func (m *mirror) sandboxMade(id string, r *runtimeapi.RunPodSandboxRequest) {
	config := r.GetConfig()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sandboxes.put(&runtimeapi.PodSandbox{
		Id: id, Metadata: config.GetMetadata(), State: runtimeapi.PodSandboxState_SANDBOX_READY, CreatedAt: time.Now().UnixNano(),
		Labels: config.GetLabels(), Annotations: config.GetAnnotations(), RuntimeHandler: r.GetRuntimeHandler(),
	})
}

func (m *mirror) sandboxStopped(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sandboxes.edit(id, func(sb *runtimeapi.PodSandbox) *runtimeapi.PodSandbox {
		sb = proto.CloneOf(sb)
		sb.State = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
		return sb
	})
	for _, c := range m.containers.items {
		if c.GetPodSandboxId() == id {
			m.containers.edit(c.GetId(), exited)
		}
	}
	m.outdated(id)
}

func (m *mirror) sandboxRemoved(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sandboxes.drop(id)
	for _, c := range m.containers.items {
		if c.GetPodSandboxId() == id {
			m.containers.drop(c.GetId())
			delete(m.containerStatus, c.GetId())
		}
	}
	delete(m.sandboxStatus, id)
}

// outdated forgets the statuses of a pod that a call has changed: the next one that
// is asked for tells. Its caller holds the lock.
func (m *mirror) outdated(sandboxID string) {
	delete(m.sandboxStatus, sandboxID)
	for _, c := range m.containers.items {
		if c.GetPodSandboxId() == sandboxID {
			delete(m.containerStatus, c.GetId())
		}
	}
}

func (m *mirror) containerMade(id string, r *runtimeapi.CreateContainerRequest) {
	config := r.GetConfig()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.containers.put(&runtimeapi.Container{
		Id: id, PodSandboxId: r.GetPodSandboxId(), Metadata: config.GetMetadata(), Image: config.GetImage(),
		ImageRef: config.GetImage().GetImage(), ImageId: config.GetImage().GetImage(),
		State: runtimeapi.ContainerState_CONTAINER_CREATED, CreatedAt: time.Now().UnixNano(),
		Labels: config.GetLabels(), Annotations: config.GetAnnotations(),
	})
}

func (m *mirror) containerStarted(id string) {
	m.editContainer(id, func(c *runtimeapi.Container) *runtimeapi.Container {
		c = proto.CloneOf(c)
		c.State = runtimeapi.ContainerState_CONTAINER_RUNNING
		return c
	})
}

func (m *mirror) containerStopped(id string) { m.editContainer(id, exited) }

func (m *mirror) editContainer(id string, f func(*runtimeapi.Container) *runtimeapi.Container) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.containers.edit(id, f)
	delete(m.containerStatus, id)
}

func exited(c *runtimeapi.Container) *runtimeapi.Container {
	c = proto.CloneOf(c)
	c.State = runtimeapi.ContainerState_CONTAINER_EXITED
	return c
}

func (m *mirror) containerRemoved(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.containers.drop(id)
	delete(m.containerStatus, id)
}

// imageRemoved forgets an image by its id or one of its names.
func (m *mirror) imageRemoved(ref string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if image := findImage(m.images.items, ref); image != nil {
		m.images.drop(image.GetId())
	}
}

func (m *mirror) sandboxSeen(r *runtimeapi.PodSandboxStatusResponse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sandboxStatus[r.GetStatus().GetId()] = r
}

func (m *mirror) containerSeen(r *runtimeapi.ContainerStatusResponse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.containerStatus[r.GetStatus().GetId()] = r
}
