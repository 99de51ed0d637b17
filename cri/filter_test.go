// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

func TestSandboxFilter(t *testing.T) {
	sb := sandbox.Sandbox{ID: "abcdef", State: sandbox.StateReady}
	sb.Labels = map[string]string{"app": "web", "empty": ""}
	state := func(s runtimeapi.PodSandboxState) *runtimeapi.PodSandboxStateValue {
		return &runtimeapi.PodSandboxStateValue{State: s}
	}
	for name, tt := range map[string]struct {
		filter *runtimeapi.PodSandboxFilter
		want   bool
	}{
		"none":               {nil, true},
		"empty":              {&runtimeapi.PodSandboxFilter{}, true},
		"id":                 {&runtimeapi.PodSandboxFilter{Id: "abcdef"}, true},
		"beginning of id":    {&runtimeapi.PodSandboxFilter{Id: "abc"}, true},
		"other id":           {&runtimeapi.PodSandboxFilter{Id: "bcd"}, false},
		"longer id":          {&runtimeapi.PodSandboxFilter{Id: "abcdef0"}, false},
		"state":              {&runtimeapi.PodSandboxFilter{State: state(runtimeapi.PodSandboxState_SANDBOX_READY)}, true},
		"other state":        {&runtimeapi.PodSandboxFilter{State: state(runtimeapi.PodSandboxState_SANDBOX_NOTREADY)}, false},
		"label":              {&runtimeapi.PodSandboxFilter{LabelSelector: map[string]string{"app": "web"}}, true},
		"two labels":         {&runtimeapi.PodSandboxFilter{LabelSelector: map[string]string{"app": "web", "empty": ""}}, true},
		"other value":        {&runtimeapi.PodSandboxFilter{LabelSelector: map[string]string{"app": "db"}}, false},
		"absent is not \"\"": {&runtimeapi.PodSandboxFilter{LabelSelector: map[string]string{"absent": ""}}, false},
		"id but not label":   {&runtimeapi.PodSandboxFilter{Id: "abc", LabelSelector: map[string]string{"app": "db"}}, false},
	} {
		if got := matchesSandbox(sb, tt.filter); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestContainerFilter(t *testing.T) {
	c := runtime.Container{ID: "c123", SandboxID: "5abc", State: runtime.StateRemoving}
	c.Config.Labels = map[string]string{"name": "hello"}
	state := func(s runtimeapi.ContainerState) *runtimeapi.ContainerStateValue {
		return &runtimeapi.ContainerStateValue{State: s}
	}
	for name, tt := range map[string]struct {
		filter *runtimeapi.ContainerFilter
		want   bool
	}{
		"none":          {nil, true},
		"id":            {&runtimeapi.ContainerFilter{Id: "c12"}, true},
		"other id":      {&runtimeapi.ContainerFilter{Id: "c13"}, false},
		"sandbox":       {&runtimeapi.ContainerFilter{PodSandboxId: "5abc"}, true},
		"other sandbox": {&runtimeapi.ContainerFilter{PodSandboxId: "6"}, false},
		"shown state":   {&runtimeapi.ContainerFilter{State: state(runtimeapi.ContainerState_CONTAINER_EXITED)}, true},
		"other state":   {&runtimeapi.ContainerFilter{State: state(runtimeapi.ContainerState_CONTAINER_CREATED)}, false},
		"label":         {&runtimeapi.ContainerFilter{LabelSelector: map[string]string{"name": "hello"}}, true},
		"other label":   {&runtimeapi.ContainerFilter{LabelSelector: map[string]string{"name": "hell"}}, false},
		"all of them": {&runtimeapi.ContainerFilter{
			Id: "c123", PodSandboxId: "5abc", State: state(runtimeapi.ContainerState_CONTAINER_EXITED),
			LabelSelector: map[string]string{"name": "hello"},
		}, true},
	} {
		if got := matchesContainer(c, tt.filter); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestStatsFiltersAreTheListFilters(t *testing.T) {
	c := runtime.Container{ID: "c123", SandboxID: "5abc"}
	c.Config.Labels = map[string]string{"name": "hello"}
	for want, f := range map[bool]*runtimeapi.ContainerStatsFilter{
		true:  {Id: "c1", PodSandboxId: "5", LabelSelector: map[string]string{"name": "hello"}},
		false: {Id: "c1", PodSandboxId: "6", LabelSelector: map[string]string{"name": "hello"}},
	} {
		if got := matchesContainerStats(c, f); got != want {
			t.Errorf("%v: %v", f, got)
		}
	}
	sb := sandbox.Sandbox{ID: "5abc"}
	sb.Labels = map[string]string{"app": "web"}
	for want, f := range map[bool]*runtimeapi.PodSandboxStatsFilter{
		true:  {Id: "5a", LabelSelector: map[string]string{"app": "web"}},
		false: {Id: "5a", LabelSelector: map[string]string{"app": "db"}},
	} {
		if got := matchesSandboxStats(sb, f); got != want {
			t.Errorf("%v: %v", f, got)
		}
	}
	if !matchesContainerStats(c, nil) || !matchesSandboxStats(sb, nil) {
		t.Error("no filter did not match")
	}
}
