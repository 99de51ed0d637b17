// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/cri/delegate"
	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

// mixedNode is a node with an upstream runtime: another Wazelet, whose pods are of the
// handler upstream.
type mixedNode struct {
	*testNode
	back *testNode
	gate *gate
}

func newMixedNode(t *testing.T, lastKnown time.Duration) mixedNode {
	t.Helper()
	back := newNode(t, func(o *Options) { o.Handlers, o.DefaultHandler, o.Version = []string{"upstream"}, "upstream", "v0.0.2" })
	g := newGate(t, strings.TrimPrefix(back.conn.Target(), "unix://"))
	g.open()
	up, err := delegate.Dial(delegate.Options{Endpoint: g.socket, LastKnown: lastKnown, CgroupDriver: cgroup.Cgroupfs})
	must(t, err)
	must(t, up.Start(t.Context()))
	t.Cleanup(func() { must(t, up.Close()) })
	front := newNode(t, func(o *Options) { o.Upstream, o.Hybrids = up, map[string]string{"hybrid": "upstream"} })
	return mixedNode{testNode: front, back: back, gate: g}
}

// runUpstream runs a pod of the upstream runtime's, through the node.
func (n mixedNode) runUpstream(config *runtimeapi.PodSandboxConfig) string {
	n.t.Helper()
	id, err := n.runtime.RunPodSandbox(n.t.Context(), config, "upstream")
	must(n.t, err)
	return id
}

// pods are the names of the listed pods, sorted.
func (n mixedNode) pods() string {
	n.t.Helper()
	list, err := n.runtime.ListPodSandbox(n.t.Context(), nil)
	must(n.t, err)
	var names []string
	for _, sb := range list {
		names = append(names, sb.GetMetadata().GetName())
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (n mixedNode) upstreamReady() *runtimeapi.RuntimeCondition {
	n.t.Helper()
	resp, err := n.runtime.Status(n.t.Context(), false)
	must(n.t, err)
	var ready *runtimeapi.RuntimeCondition
	for _, c := range resp.GetStatus().GetConditions() {
		if c.GetType() == "UpstreamReady" {
			ready = c
		}
		if c.GetType() == runtimeapi.RuntimeReady && !c.GetStatus() {
			n.t.Errorf("the node is not ready: %v", c)
		}
	}
	return ready
}

// awaitUpstream waits until the upstream runtime is there, or away.
func (n mixedNode) awaitUpstream(there bool) {
	n.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for n.upstreamReady().GetStatus() != there {
		if time.Now().After(deadline) {
			n.t.Fatalf("upstream: %v, want %v", n.upstreamReady(), there)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestAPodOfAnotherHandlerIsTheUpstreamRuntimes lives through a pod that is not
// Wazelet's own, and looks for what does not reach the client as it was.
func TestAPodOfAnotherHandlerIsTheUpstreamRuntimes(t *testing.T) {
	n := newMixedNode(t, time.Minute)
	ctx := t.Context()
	ref := n.back.publishModule("spin:v1", enginetest.Spin("on\n"))
	imageID := n.back.pull(ref)
	pod, own := n.pod("theirs"), n.pod("ours")
	podID := n.runUpstream(pod)
	ownID := n.run(own)
	id := n.create(podID, n.container("c", ref, imageID), pod)
	must(t, n.runtime.StartContainer(ctx, id))

	if got := n.pods(); got != "ours theirs" {
		t.Errorf("pods %q", got)
	}
	for _, at := range []string{podID, podID[:12]} {
		through, err := n.runtime.PodSandboxStatus(ctx, at, true)
		must(t, err)
		direct, err := n.back.runtime.PodSandboxStatus(ctx, at, true)
		must(t, err)
		if !proto.Equal(through, direct) {
			t.Errorf("pod %v\nthrough the node %v", direct, through)
		}
	}
	through, err := n.runtime.ContainerStatus(ctx, id, true)
	must(t, err)
	direct, err := n.back.runtime.ContainerStatus(ctx, id, true)
	must(t, err)
	if !proto.Equal(through, direct) {
		t.Errorf("container %v\nthrough the node %v", direct, through)
	}
	stats, err := n.runtime.ListContainerStats(ctx, nil)
	must(t, err)
	if len(stats) != 1 || stats[0].GetAttributes().GetId() != id {
		t.Errorf("measured %v", stats)
	}
	url, err := n.runtime.PortForward(ctx, &runtimeapi.PortForwardRequest{PodSandboxId: podID})
	if err != nil || !strings.HasPrefix(url.GetUrl(), "http://127.0.0.1:") {
		t.Errorf("port-forward %v, %v", url, err)
	}
	for _, wrong := range []string{"nobody", strings.Repeat("0", 64)} {
		_, err := n.runtime.ContainerStatus(ctx, wrong, false)
		_, want := n.back.runtime.ContainerStatus(ctx, wrong, false)
		if status.Code(err) != codes.NotFound || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", wrong, err, want)
		}
	}
	if _, err := n.runtime.RunPodSandbox(ctx, pod, "nowhere"); err == nil || !strings.Contains(err.Error(), `"nowhere" is not configured (known: upstream)`) {
		t.Errorf("a handler that nobody has: %v", err)
	}

	must(t, n.runtime.StopContainer(ctx, id, 0))
	must(t, n.runtime.RemoveContainer(ctx, id))
	must(t, n.runtime.StopPodSandbox(ctx, podID))
	must(t, n.runtime.RemovePodSandbox(ctx, podID))
	if list, err := n.back.runtime.ListPodSandbox(ctx, nil); err != nil || len(list) != 0 {
		t.Errorf("upstream has %v, %v", list, err)
	}
	if _, err := n.runtime.PodSandboxStatus(ctx, ownID, false); err != nil {
		t.Error(err)
	}
}

// TestListsAreNeverShort takes the upstream runtime away: its pods stay in every list,
// as does what was made just before, and Wazelet's own go on.
func TestListsAreNeverShort(t *testing.T) {
	for name, take := range map[string]struct{ away, back func(*gate) }{
		"killed":  {(*gate).shut, (*gate).open},
		"stopped": {(*gate).stall, (*gate).flow},
	} {
		t.Run(name, func(t *testing.T) {
			n := newMixedNode(t, time.Minute)
			ctx := t.Context()
			ref := n.back.publishModule("spin:v1", enginetest.Spin("on\n"))
			imageID := n.back.pull(ref)
			pod := n.pod("theirs")
			podID := n.runUpstream(pod)
			id := n.create(podID, n.container("c", ref, imageID), pod)
			must(t, n.runtime.StartContainer(ctx, id))
			before, err := n.runtime.ContainerStatus(ctx, id, false)
			must(t, err)
			ownPod := n.pod("ours")
			ownID := n.run(ownPod)

			take.away(n.gate)
			for range 3 {
				if got := n.pods(); got != "ours theirs" {
					t.Fatalf("pods %q", got)
				}
				ready, err := n.runtime.ListPodSandbox(ctx, &runtimeapi.PodSandboxFilter{State: &runtimeapi.PodSandboxStateValue{}, LabelSelector: map[string]string{"app": "theirs"}})
				if err != nil || len(ready) != 1 {
					t.Fatalf("filtered: %v, %v", ready, err)
				}
				list, err := n.runtime.ListContainers(ctx, &runtimeapi.ContainerFilter{PodSandboxId: podID})
				if err != nil || len(list) != 1 || list[0].GetState() != runtimeapi.ContainerState_CONTAINER_RUNNING {
					t.Fatalf("containers %v, %v", list, err)
				}
			}
			if c := n.upstreamReady(); c.GetStatus() || c.GetReason() != "UpstreamAway" || !strings.Contains(c.GetMessage(), n.gate.socket) {
				t.Errorf("condition %v", c)
			}
			after, err := n.runtime.ContainerStatus(ctx, id, false)
			if err != nil || !proto.Equal(before, after) {
				t.Errorf("status %v, %v; want %v", after, err, before)
			}
			if name == "killed" {
				if err := n.runtime.StopContainer(ctx, id, 0); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), n.gate.socket) {
					t.Errorf("a change: %v", err)
				}
			}
			ownImage := n.pull(n.publishModule("own:v1", enginetest.Print(1, "own\n")))
			must(t, n.runtime.StartContainer(ctx, n.create(ownID, n.container("own", n.ref("own:v1"), ownImage), ownPod)))

			take.back(n.gate)
			n.awaitUpstream(true)
			must(t, n.runtime.StopContainer(ctx, id, 0))
			must(t, n.runtime.StopPodSandbox(ctx, podID))
			must(t, n.runtime.RemovePodSandbox(ctx, podID))
			if got := n.pods(); got != "ours" {
				t.Errorf("pods %q", got)
			}
		})
	}
}

// TestLastKnownEnds: what was last seen is not shown for ever.
func TestLastKnownEnds(t *testing.T) {
	n := newMixedNode(t, time.Second)
	podID := n.runUpstream(n.pod("theirs"))
	n.gate.shut()
	n.awaitUpstream(false)
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := n.runtime.ListPodSandbox(t.Context(), nil)
		if status.Code(err) == codes.Unavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still listed: %v", err)
		}
	}
	n.gate.open()
	n.awaitUpstream(true)
	must(t, n.runtime.RemovePodSandbox(context.Background(), podID))
}

// TestOneCgroupDriver: an upstream runtime whose cgroups the kubelet could not find is
// refused at the start.
func TestOneCgroupDriver(t *testing.T) {
	back := newNode(t)
	up, err := delegate.Dial(delegate.Options{Endpoint: strings.TrimPrefix(back.conn.Target(), "unix://"), CgroupDriver: cgroup.Systemd})
	must(t, err)
	defer up.Close()
	err = up.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "has the cgroup driver cgroupfs and wazelet has systemd") {
		t.Errorf("started: %v", err)
	}
}
