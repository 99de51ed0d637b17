// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func readyPod(info string) *runtimeapi.PodSandboxStatusResponse {
	return &runtimeapi.PodSandboxStatusResponse{
		Status: &runtimeapi.PodSandboxStatus{
			Id: "p", CreatedAt: 5,
			Network: &runtimeapi.PodSandboxNetworkStatus{Ip: "192.0.2.1", AdditionalIps: []*runtimeapi.PodIP{{Ip: "2001:db8::1"}}},
		},
		Info: map[string]string{"info": info},
	}
}

// TestWhereAPodsNetworkIs reads it from what containerd and CRI-O tell.
func TestWhereAPodsNetworkIs(t *testing.T) {
	for name, tt := range map[string]struct{ info, want string }{
		"path":      {`{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"ipc"},{"type":"network","path":"/run/netns/a"}]}}}`, "/run/netns/a"},
		"a process": {`{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"network"}]}}}`, "/proc/7/ns/net"},
	} {
		pod, err := foreign(readyPod(tt.info))
		if err != nil || pod.NetNS != tt.want || strings.Join(pod.IPs, " ") != "192.0.2.1 2001:db8::1" || pod.CreatedAt.UnixNano() != 5 {
			t.Errorf("%s: %+v, %v", name, pod, err)
		}
	}
	for _, info := range []string{"", "{}", "[]", `{"pid":-1}`, `{"runtimeSpec":{"linux":{"namespaces":[{"type":"ipc","path":"/x"}]}}}`} {
		if pod, err := foreign(readyPod(info)); !errdefs.IsNotImplemented(err) {
			t.Errorf("%q: %+v, %v", info, pod, err)
		}
	}
	node := readyPod("")
	node.Status.Linux = &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{Options: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE}}}
	if pod, err := foreign(node); err != nil || pod.NetNS != "" || pod.IPs != nil {
		t.Errorf("on the node's network: %+v, %v", pod, err)
	}
	stopped := readyPod(`{"pid":7}`)
	stopped.Status.State = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
	if _, err := foreign(stopped); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a stopped one: %v", err)
	}
}

// TestWhichImagesAreWasmUpstream by what the upstream runtime tells of their configuration.
func TestWhichImagesAreWasmUpstream(t *testing.T) {
	for info, want := range map[string]bool{
		`{"imageSpec":{"architecture":"wasm","os":"wasi"}}`:                                 true,
		`{"imageSpec":{"architecture":"amd64","config":{"Entrypoint":["/app.wasm"]}}}`:      true,
		`{"imageSpec":{"architecture":"amd64","config":{"Cmd":["/app.wasm#run","x"]}}}`:     true,
		`{"imageSpec":{"architecture":"amd64","config":{"Entrypoint":["/run","/a.wasm"]}}}`: false,
		`{"imageSpec":{"architecture":"amd64"}}`:                                            false,
		`{"imageSpec":`:                                                                     false,
		``:                                                                                  false,
	} {
		if got := runsWasm(info); got != want {
			t.Errorf("%s: %t", info, got)
		}
	}
}

// FuzzWhatTheUpstreamRuntimeTells reads whatever it tells.
func FuzzWhatTheUpstreamRuntimeTells(f *testing.F) {
	f.Add(`{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"/run/netns/a"}]}}}`)
	f.Add(`{"imageSpec":{"architecture":"wasm","config":{"Entrypoint":["/app.wasm"]}}}`)
	f.Fuzz(func(t *testing.T, info string) {
		pod, err := foreign(readyPod(info))
		if err == nil && pod.NetNS == "" {
			t.Errorf("no network in %q", info)
		}
		runsWasm(info)
	})
}
