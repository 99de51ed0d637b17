// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// All fields of a filter must match; a field that is not set matches all. An
// id may be the beginning of one, as people give it to crictl.

// matchesSandbox applies the filter of ListPodSandbox.
func matchesSandbox(sb sandbox.Sandbox, f *runtimeapi.PodSandboxFilter) bool {
	return strings.HasPrefix(sb.ID, f.GetId()) &&
		(f.GetState() == nil || f.GetState().GetState() == sandboxState(sb.State)) &&
		matchesLabels(sb.Labels, f.GetLabelSelector())
}

// sandboxFilter is matchesSandbox of a filter, nil if all match.
func sandboxFilter(f *runtimeapi.PodSandboxFilter) func(*sandbox.Sandbox) bool {
	if f.GetId() == "" && f.GetState() == nil && len(f.GetLabelSelector()) == 0 {
		return nil
	}
	return func(sb *sandbox.Sandbox) bool { return matchesSandbox(*sb, f) }
}

// containerFilter is matchesContainer of a filter, nil if all match.
func containerFilter(f *runtimeapi.ContainerFilter) func(*runtime.Container) bool {
	if f.GetId() == "" && f.GetPodSandboxId() == "" && f.GetState() == nil && len(f.GetLabelSelector()) == 0 {
		return nil
	}
	return func(c *runtime.Container) bool { return matchesContainer(*c, f) }
}

// matchesContainer applies the filter of ListContainers.
func matchesContainer(c runtime.Container, f *runtimeapi.ContainerFilter) bool {
	return strings.HasPrefix(c.ID, f.GetId()) &&
		strings.HasPrefix(c.SandboxID, f.GetPodSandboxId()) &&
		(f.GetState() == nil || f.GetState().GetState() == containerState(c.State)) &&
		matchesLabels(c.Config.Labels, f.GetLabelSelector())
}

// matchesContainerStats applies the filter of ListContainerStats.
func matchesContainerStats(c runtime.Container, f *runtimeapi.ContainerStatsFilter) bool {
	return matchesContainer(c, &runtimeapi.ContainerFilter{
		Id: f.GetId(), PodSandboxId: f.GetPodSandboxId(), LabelSelector: f.GetLabelSelector(),
	})
}

// matchesSandboxStats applies the filter of ListPodSandboxStats.
func matchesSandboxStats(sb sandbox.Sandbox, f *runtimeapi.PodSandboxStatsFilter) bool {
	return matchesSandbox(sb, &runtimeapi.PodSandboxFilter{Id: f.GetId(), LabelSelector: f.GetLabelSelector()})
}

// matchesLabels wants every label of the selector with its very value.
func matchesLabels(labels, selector map[string]string) bool {
	for key, value := range selector {
		if have, ok := labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}
