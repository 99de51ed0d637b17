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
func (s *sight) since(then *sight) (all []happening) {
	pods := map[string]*runtimeapi.PodSandbox{}
	for _, at := range []*sight{then, s} {
		for _, sb := range at.sandboxes {
			pods[sb.GetId()] = sb
		}
	}
	was, is := then.states(), s.states()
	add := func(id, pod string, kinds []runtimeapi.ContainerEventType) {
		for _, kind := range kinds {
			all = append(all, happening{id: id, sandbox: pods[pod], kind: kind})
		}
	}
	for _, id := range s.ids() {
		before, known := was[id]
		if !known {
			before.phase = absent
		}
		add(id, is[id].pod, steps(before.phase, is[id].phase))
	}
	for _, id := range then.ids() {
		if _, here := is[id]; !here {
			add(id, was[id].pod, steps(was[id].phase, gone))
		}
	}
	return all
}

// steps are the events that lie between two phases.
func steps(from, to phase) (kinds []runtimeapi.ContainerEventType) {
	for p := from + 1; p <= to; p++ {
		kinds = append(kinds, map[phase]runtimeapi.ContainerEventType{
			begun:   runtimeapi.ContainerEventType_CONTAINER_CREATED_EVENT,
			running: runtimeapi.ContainerEventType_CONTAINER_STARTED_EVENT,
			ended:   runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT,
			gone:    runtimeapi.ContainerEventType_CONTAINER_DELETED_EVENT,
		}[p])
	}
	return kinds
}

// phase is how far a container or a sandbox has come.
type phase int

const (
	absent phase = iota
	begun
	running
	ended
	gone
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
