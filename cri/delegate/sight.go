// SPDX-License-Identifier: Apache-2.0

package delegate

import runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

// sight is the upstream runtime's pods and containers at a moment.
type sight struct {
	sandboxes  []*runtimeapi.PodSandbox
	containers []*runtimeapi.Container
}

// happening is what happened to one container or sandbox. As with containerd, a
// sandbox has events of its own, under its own id.
type happening struct {
	id      string
	sandbox *runtimeapi.PodSandbox
	kind    runtimeapi.ContainerEventType
}

func (m *mirror) look() *sight {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &sight{sandboxes: m.sandboxes.items, containers: m.containers.items}
}

// since is what must have happened between two moments, in an order in which it can
// have: first what began, then what ended, then what went.
func (now *sight) since(then *sight) (all []happening) {
	pods := map[string]*runtimeapi.PodSandbox{}
	for _, s := range []*sight{then, now} {
		for _, sb := range s.sandboxes {
			pods[sb.GetId()] = sb
		}
	}
	was, is := then.states(), now.states()
	add := func(id, pod string, kinds ...runtimeapi.ContainerEventType) {
		for _, kind := range kinds {
			all = append(all, happening{id: id, sandbox: pods[pod], kind: kind})
		}
	}
	const (
		created = runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT
		started = runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT
		stopped = runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT
		deleted = runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT
	)
	for _, id := range now.ids() {
		before, known := was[id]
		switch after := is[id]; {
		case !known && after.phase == begun:
			add(id, after.pod, created)
		case !known && after.phase == running:
			add(id, after.pod, created, started)
		case !known && after.phase == ended:
			add(id, after.pod, created, started, stopped)
		case before.phase == begun && after.phase == running:
			add(id, after.pod, started)
		case before.phase != ended && after.phase == ended:
			add(id, after.pod, stopped)
		}
	}
	for _, id := range then.ids() {
		before := was[id]
		if _, here := is[id]; here {
			continue
		}
		if before.phase != ended {
			add(id, before.pod, stopped)
		}
		add(id, before.pod, deleted)
	}
	return all
}

// phase is how far a container or a sandbox has come.
type phase int

const (
	begun phase = iota
	running
	ended
)

type state struct {
	pod   string
	phase phase
}

func (s *sight) states() map[string]state {
	all := make(map[string]state, len(s.sandboxes)+len(s.containers))
	for _, sb := range s.sandboxes {
		p := running
		if sb.GetState() != runtimeapi.PodSandboxState_SANDBOX_READY {
			p = ended
		}
		all[sb.GetId()] = state{sb.GetId(), p}
	}
	for _, c := range s.containers {
		p := ended
		switch c.GetState() {
		case runtimeapi.ContainerState_CONTAINER_CREATED:
			p = begun
		case runtimeapi.ContainerState_CONTAINER_RUNNING:
			p = running
		}
		all[c.GetId()] = state{c.GetPodSandboxId(), p}
	}
	return all
}

func (s *sight) ids() (all []string) {
	for _, sb := range s.sandboxes {
		all = append(all, sb.GetId())
	}
	for _, c := range s.containers {
		all = append(all, c.GetId())
	}
	return all
}
