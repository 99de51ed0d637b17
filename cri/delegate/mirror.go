// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// mirror is what was last seen of the upstream runtime. Its messages are shared
// with readers: they are replaced, never changed.
type mirror struct {
	mu         sync.Mutex
	sandboxes  table[*runtimeapi.PodSandbox]
	containers table[*runtimeapi.Container]
	images     table[*runtimeapi.Image]

	sandboxStatus   map[string]*runtimeapi.PodSandboxStatusResponse
	containerStatus map[string]*runtimeapi.ContainerStatusResponse
	last            map[string]proto.Message // of whole answers, by RPC
}

func newMirror() *mirror {
	return &mirror{
		sandboxes:       table[*runtimeapi.PodSandbox]{id: (*runtimeapi.PodSandbox).GetId},
		containers:      table[*runtimeapi.Container]{id: (*runtimeapi.Container).GetId},
		images:          table[*runtimeapi.Image]{id: (*runtimeapi.Image).GetId},
		sandboxStatus:   map[string]*runtimeapi.PodSandboxStatusResponse{},
		containerStatus: map[string]*runtimeapi.ContainerStatusResponse{},
		last:            map[string]proto.Message{},
	}
}

// age is how old the lists are.
func (m *mirror) age() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(time.Since(m.sandboxes.read), time.Since(m.containers.read))
}

// refresh reads all lists.
func (m *mirror) refresh(ctx context.Context, runtime runtimeapi.RuntimeServiceClient, images runtimeapi.ImageServiceClient) error {
	if _, err := m.listSandboxes(runtime.ListPodSandbox)(ctx, &runtimeapi.ListPodSandboxRequest{}); err != nil {
		return err
	}
	if _, err := m.listContainers(runtime.ListContainers)(ctx, &runtimeapi.ListContainersRequest{}); err != nil {
		return err
	}
	_, err := m.listImages(images.ListImages)(ctx, &runtimeapi.ListImagesRequest{})
	return err
}

// A list that is read without a filter is what the mirror shows from then on.

func (m *mirror) listSandboxes(call method[*runtimeapi.ListPodSandboxRequest, *runtimeapi.ListPodSandboxResponse]) method[*runtimeapi.ListPodSandboxRequest, *runtimeapi.ListPodSandboxResponse] {
	return reading(m, &m.sandboxes, call, (*runtimeapi.ListPodSandboxResponse).GetItems)
}

func (m *mirror) listContainers(call method[*runtimeapi.ListContainersRequest, *runtimeapi.ListContainersResponse]) method[*runtimeapi.ListContainersRequest, *runtimeapi.ListContainersResponse] {
	return reading(m, &m.containers, call, (*runtimeapi.ListContainersResponse).GetContainers)
}

func (m *mirror) listImages(call method[*runtimeapi.ListImagesRequest, *runtimeapi.ListImagesResponse]) method[*runtimeapi.ListImagesRequest, *runtimeapi.ListImagesResponse] {
	return reading(m, &m.images, call, (*runtimeapi.ListImagesResponse).GetImages)
}

func reading[Q, A, T any](m *mirror, t *table[T], call method[Q, A], items func(A) []T) method[Q, A] {
	return func(ctx context.Context, request Q, options ...grpc.CallOption) (A, error) {
		m.mu.Lock()
		from := t.begin()
		m.mu.Unlock()
		answer, err := call(ctx, request, options...)
		m.mu.Lock()
		defer m.mu.Unlock()
		t.end(from, items(answer), err == nil)
		if err == nil {
			m.forgetGone()
		}
		return answer, err
	}
}

// forgetGone keeps no status of what is not in the lists. Its caller holds the lock.
func (m *mirror) forgetGone() {
	keep := make(map[string]bool, len(m.sandboxes.items)+len(m.containers.items))
	for _, sb := range m.sandboxes.items {
		keep[sb.GetId()] = true
	}
	for _, c := range m.containers.items {
		keep[c.GetId()] = true
	}
	for id := range m.sandboxStatus {
		if !keep[id] {
			delete(m.sandboxStatus, id)
		}
	}
	for id := range m.containerStatus {
		if !keep[id] {
			delete(m.containerStatus, id)
		}
	}
}

// The lists and statuses as last seen; ok is false until there are any.

func (m *mirror) sandboxList() (list []*runtimeapi.PodSandbox, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sandboxes.items, !m.sandboxes.read.IsZero()
}

func (m *mirror) containerList() (list []*runtimeapi.Container, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.containers.items, !m.containers.read.IsZero()
}

func (m *mirror) imageList() (list []*runtimeapi.Image, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.images.items, !m.images.read.IsZero()
}

func (m *mirror) sandboxStatusOf(id string) (answer *runtimeapi.PodSandboxStatusResponse, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	answer, ok = m.sandboxStatus[id]
	return answer, ok
}

func (m *mirror) containerStatusOf(id string) (answer *runtimeapi.ContainerStatusResponse, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	answer, ok = m.containerStatus[id]
	return answer, ok
}

// keep writes a whole answer down, to be given again by kept.
func (m *mirror) keep(rpc string, answer proto.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last[rpc] = answer
}

// kept is the last answer of an RPC.
func kept[T proto.Message](m *mirror, rpc string) (answer T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	answer, ok = m.last[rpc].(T)
	return answer, ok
}
