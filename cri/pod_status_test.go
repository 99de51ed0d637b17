// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/sandbox"
)

// madePod is the sandbox that kubeletPod asks for.
func madePod(t *testing.T) sandbox.Sandbox {
	t.Helper()
	config, err := sandboxConfig(kubeletPod(), "wasm")
	if err != nil {
		t.Fatal(err)
	}
	return sandbox.Sandbox{
		ID: "5a6d", Config: config, State: sandbox.StateReady, CreatedAt: time.Unix(1000, 7),
		NetNS: "/run/wazelet/netns/5a6d", IPs: []string{"10.88.0.5", "fd00::5", "fd00::6"},
	}
}

func TestSandboxStatusEchoesTheRequest(t *testing.T) {
	asked := kubeletPod()
	got := sandboxStatus(madePod(t))
	options := proto.Clone(asked.Linux.SecurityContext.NamespaceOptions).(*runtimeapi.NamespaceOption)
	want := &runtimeapi.PodSandboxStatus{
		Id: "5a6d", Metadata: asked.Metadata, State: runtimeapi.PodSandboxState_SANDBOX_READY, CreatedAt: 1000_000000007,
		Network: &runtimeapi.PodSandboxNetworkStatus{
			Ip: "10.88.0.5", AdditionalIps: []*runtimeapi.PodIP{{Ip: "fd00::5"}, {Ip: "fd00::6"}},
		},
		Linux:  &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{Options: options}},
		Labels: asked.Labels, Annotations: asked.Annotations, RuntimeHandler: "wasm",
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	item := sandboxItem(new(madePod(t)))
	if item.Id != got.Id || item.State != got.State || item.CreatedAt != got.CreatedAt || item.RuntimeHandler != "wasm" ||
		!proto.Equal(item.Metadata, got.Metadata) || !maps.Equal(item.Labels, got.Labels) || !maps.Equal(item.Annotations, got.Annotations) {
		t.Errorf("list shows %v, status %v", item, got)
	}
}

func TestSandboxStateIsReadyOrNot(t *testing.T) {
	for state, want := range map[sandbox.State]runtimeapi.PodSandboxState{
		sandbox.StateReady:    runtimeapi.PodSandboxState_SANDBOX_READY,
		sandbox.StateNotReady: runtimeapi.PodSandboxState_SANDBOX_NOTREADY,
		sandbox.StateCreating: runtimeapi.PodSandboxState_SANDBOX_NOTREADY,
	} {
		if got := sandboxState(state); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
}

func TestSandboxNetworkIsPresentButEmptyWithoutAddresses(t *testing.T) {
	host := madePod(t)
	host.Network = sandbox.NetworkNode // what addresses there are belong to the node
	none := madePod(t)
	none.IPs = nil
	for name, sb := range map[string]sandbox.Sandbox{"node network": host, "no address": none} {
		if got := sandboxNetwork(sb); got == nil || got.Ip != "" || got.AdditionalIps != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestVerboseSandboxInfoIsJSON(t *testing.T) {
	sb := madePod(t)
	info, err := verboseInfo(sb)
	if err != nil {
		t.Fatal(err)
	}
	var got sandbox.Sandbox
	if err := json.Unmarshal([]byte(info["info"]), &got); err != nil {
		t.Fatal(err)
	}
	if got.NetNS != sb.NetNS || got.CgroupParent != sb.CgroupParent || len(got.IPs) != 3 {
		t.Errorf("info %s", info["info"])
	}
}
