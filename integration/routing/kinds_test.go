// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// get asks a pod's server until it answers.
func get(t testing.TB, ip string) string {
	t.Helper()
	http := &http.Client{Transport: &http.Transport{DialContext: cluster.Dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	deadline := time.Now().Add(20 * time.Second)
	for {
		response, err := http.Get("http://" + net.JoinHostPort(ip, "8080") + "/there")
		if err == nil {
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			must(t, err)
			return string(body)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestPodsOfBothKindsAndHybrid serve the same from the same source, and a hybrid pod
// has a container of each in one network.
func TestPodsOfBothKindsAndHybrid(t *testing.T) {
	node, containerd := dial(t, cluster.Socket()), dial(t, cluster.ContainerdSocket())
	for _, kind := range []struct{ handler, image string }{{"wasm", wasmImage}, {"runc", nativeImage}, {"", nativeImage}, {"hybrid", wasmImage}, {"hybrid", nativeImage}} {
		s := node.run(t, pod("web"), kind.handler, kind.image)
		status, err := node.PodSandboxStatus(t.Context(), &runtimeapi.PodSandboxStatusRequest{PodSandboxId: s.pod})
		must(t, err)
		if body := get(t, status.GetStatus().GetNetwork().GetIp()); body == "" {
			t.Errorf("%v answers %q", kind, body)
		}
		_, direct := containerd.PodSandboxStatus(t.Context(), &runtimeapi.PodSandboxStatusRequest{PodSandboxId: s.pod})
		if upstream := direct == nil; upstream != (kind.handler != "wasm") {
			t.Errorf("%v: containerd says %v", kind, direct)
		}
	}
}

// TestWhatContainerdSaysIsWhatTheNodeSays compares answers about a pod.
func TestWhatContainerdSaysIsWhatTheNodeSays(t *testing.T) {
	node, containerd := dial(t, cluster.Socket()), dial(t, cluster.ContainerdSocket())
	ctx := t.Context()
	s := node.run(t, pod("same"), "runc", nativeImage)
	for _, verbose := range []bool{false, true} {
		q := &runtimeapi.PodSandboxStatusRequest{PodSandboxId: s.pod, Verbose: verbose}
		a, err := node.PodSandboxStatus(ctx, q)
		must(t, err)
		b, err := containerd.PodSandboxStatus(ctx, q)
		must(t, err)
		a.Timestamp, b.Timestamp = 0, 0
		if !proto.Equal(a, b) {
			t.Errorf("pod %v\nthrough the node %v", b, a)
		}
		cq := &runtimeapi.ContainerStatusRequest{ContainerId: s.container, Verbose: verbose}
		c, err := node.ContainerStatus(ctx, cq)
		must(t, err)
		d, err := containerd.ContainerStatus(ctx, cq)
		must(t, err)
		if !proto.Equal(c, d) {
			t.Errorf("container %v\nthrough the node %v", d, c)
		}
	}
	wrong := &runtimeapi.ExecSyncRequest{ContainerId: s.container, Cmd: []string{"/none"}}
	_, through := node.ExecSync(ctx, wrong)
	_, direct := containerd.ExecSync(ctx, wrong)
	if through == nil || direct == nil {
		t.Errorf("a command that is not there: %v, %v", through, direct)
	}
	_, through = node.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: "nobody"})
	_, direct = containerd.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: "nobody"})
	if through.Error() != direct.Error() {
		t.Errorf("nobody: %v, want %v", through, direct)
	}
}
