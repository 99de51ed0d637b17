// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// server is a pod that serves.
const server = `
CLASS
terminationGracePeriodSeconds: 2
containers:
- name: web
  image: WEB
  ports: [{name: http, containerPort: 8080}]
  readinessProbe: {periodSeconds: 1, timeoutSeconds: 10, httpGet: {path: /ready, port: http}}
`

// TestRestarts of each daemon of the node leave the pods of every kind as they are.
func TestRestarts(t *testing.T) { // alone: other tests need the daemons
	s := newSpace(t)
	for _, k := range kinds {
		s.pod(k.name, k.fill(server))
	}
	pods := map[string]*lab.Pod{}
	for _, k := range kinds {
		pods[k.name] = s.wait(k.name, lab.Ready)
	}
	pods["mixed"] = s.hybrid("mixed", webWasm)
	before := s.nodeLists()
	for _, restart := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"wazelet", cluster.RestartRuntime},
		{"wazelet, killed", func(ctx context.Context) error {
			return errors.Join(cluster.KillRuntime(ctx), cluster.StartRuntime(ctx), cluster.WaitRuntime(ctx))
		}},
		{"containerd", func(ctx context.Context) error {
			return errors.Join(cluster.StopContainerd(ctx), cluster.StartContainerd(ctx))
		}},
		{"containerd, killed", func(ctx context.Context) error {
			return errors.Join(cluster.KillContainerd(ctx), cluster.StartContainerd(ctx))
		}},
		{"kubelet", cluster.RestartKubelet},
	} {
		must(t, restart.run(s.ctx))
		s.upstream(true)
		if after := s.nodeLists(); !slices.Equal(after, before) {
			t.Errorf("after a restart of %s the lists have\n%q, had\n%q", restart.name, after, before)
		}
		for name, pod := range pods {
			s.same(restart.name, name, pod)
		}
	}
	s.newPods("after")
}

// same fails the test when a pod is not the one that it was, or does not serve.
func (s *space) same(after, name string, was *lab.Pod) {
	s.t.Helper()
	equal(s.t, name+" after a restart of "+after, s.get("http://"+was.Status.PodIP+":8080/there"), "hello from /there\n")
	is := s.wait(name, lab.Ready)
	equal(s.t, "uid of "+name, is.Metadata.UID, was.Metadata.UID)
	for _, container := range was.Status.ContainerStatuses {
		now := is.Container(container.Name)
		equal(s.t, fmt.Sprintf("after %s: container %s of %s", after, container.Name, name), now.ContainerID, container.ContainerID)
		equal(s.t, "its restarts", now.RestartCount, container.RestartCount)
	}
}

// nodeLists are the running pods and containers of the node as CRI tells them, sorted.
func (s *space) nodeLists() []string {
	s.t.Helper()
	pods, err := cluster.Crictl(s.ctx, "pods", "-q", "--state", "Ready")
	must(s.t, err)
	containers, err := cluster.Crictl(s.ctx, "ps", "-q")
	must(s.t, err)
	all := append(lines(pods.Stdout), lines(containers.Stdout)...)
	slices.Sort(all)
	return all
}

// upstream waits until the node says of its upstream runtime that it is there, or not.
func (s *space) upstream(there bool) {
	s.t.Helper()
	s.until(func() error {
		out, err := cluster.Crictl(s.ctx, "info")
		if err != nil {
			return err
		}
		var info struct {
			Status struct {
				Conditions []struct {
					Type, Reason, Message string
					Status                bool
				}
			}
		}
		if err := json.Unmarshal([]byte(out.Stdout), &info); err != nil {
			return err
		}
		for _, c := range info.Status.Conditions {
			switch {
			case c.Type == "UpstreamReady" && c.Status == there:
				return nil
			case c.Type == "RuntimeReady" && !c.Status:
				s.t.Errorf("RuntimeReady is false: %s", c.Message)
			}
		}
		return fmt.Errorf("conditions %+v", info.Status.Conditions)
	})
}

// newPods runs one pod more of each kind.
func (s *space) newPods(name string) {
	s.t.Helper()
	for _, k := range kinds {
		s.pod(name+"-"+k.name, k.fill(server))
	}
	for _, k := range kinds {
		s.wait(name+"-"+k.name, lab.Ready)
	}
}

// TestWithoutContainerd: while the upstream runtime is away the node is ready, its pods
// are what they were, Wasm pods come and go, and a container pod waits with an event
// that says why.
func TestWithoutContainerd(t *testing.T) { // alone: other tests need the upstream runtime
	s := newSpace(t)
	for _, k := range kinds {
		s.pod(k.name, k.fill(server))
	}
	pods := map[string]*lab.Pod{}
	for _, k := range kinds {
		pods[k.name] = s.wait(k.name, lab.Ready)
	}
	before := s.nodeLists()
	must(t, cluster.StopContainerd(s.ctx))
	back := func() error {
		if cluster.PID("containerd") != 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), testTimeout)
		defer cancel()
		return cluster.StartContainerd(ctx)
	}
	t.Cleanup(func() { must(t, back()) })
	s.upstream(false)
	if now := s.nodeLists(); !slices.Equal(now, before) {
		t.Errorf("without containerd the lists have\n%q, had\n%q", now, before)
	}
	s.pod("late-native", kinds[1].fill(server))
	s.event("late-native", "FailedCreatePodSandBox", "upstream runtime", "containerd.sock")
	s.pod("late-wasm", kinds[0].fill(server))
	late := s.wait("late-wasm", lab.Ready)
	equal(t, "a Wasm pod made meanwhile", s.get("http://"+late.Status.PodIP+":8080/there"), "hello from /there\n")
	s.in("delete", "pod", "late-wasm", "--wait", "--timeout=60s")
	equal(t, "the node", strings.TrimSpace(s.kubectl("get", "node", cluster.Node(), "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)), "True")
	for name, pod := range pods {
		s.same("containerd's end", name, pod)
	}
	must(t, back())
	s.upstream(true)
	s.wait("late-native", lab.Ready)
	for name, pod := range pods {
		s.same("containerd's return", name, pod)
	}
}
