// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"encoding/json"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/sandbox"
)

// sandboxStatus is a sandbox as PodSandboxStatus shows it.
func sandboxStatus(sb sandbox.Sandbox) *runtimeapi.PodSandboxStatus {
	return &runtimeapi.PodSandboxStatus{
		Id:        sb.ID,
		Metadata:  sandboxMetadata(sb.Metadata),
		State:     sandboxState(sb.State),
		CreatedAt: sb.CreatedAt.UnixNano(),
		Network:   sandboxNetwork(sb),
		Linux: &runtimeapi.LinuxPodSandboxStatus{
			Namespaces: &runtimeapi.Namespace{Options: echoNamespaces(sb.Network, sb.NamespaceOptions)},
		},
		Labels:         sb.Labels,
		Annotations:    sb.Annotations,
		RuntimeHandler: sb.Handler,
	}
}

// sandboxItem is a sandbox as ListPodSandbox shows it.
func sandboxItem(sb *sandbox.Sandbox) *runtimeapi.PodSandbox {
	return &runtimeapi.PodSandbox{
		Id:             sb.ID,
		Metadata:       sandboxMetadata(sb.Metadata),
		State:          sandboxState(sb.State),
		CreatedAt:      sb.CreatedAt.UnixNano(),
		Labels:         sb.Labels,
		Annotations:    sb.Annotations,
		RuntimeHandler: sb.Handler,
	}
}

func sandboxMetadata(m sandbox.Metadata) *runtimeapi.PodSandboxMetadata {
	return &runtimeapi.PodSandboxMetadata{Name: m.Name, Namespace: m.Namespace, Uid: m.UID, Attempt: m.Attempt}
}

func sandboxState(s sandbox.State) runtimeapi.PodSandboxState {
	if s == sandbox.StateReady {
		return runtimeapi.PodSandboxState_SANDBOX_READY
	}
	return runtimeapi.PodSandboxState_SANDBOX_NOTREADY
}

// sandboxNetwork gives the pod's addresses, the primary one first. It is empty
// but present for a pod on the node's network: its addresses are the node's,
// which the kubelet knows better.
func sandboxNetwork(sb sandbox.Sandbox) *runtimeapi.PodSandboxNetworkStatus {
	n := &runtimeapi.PodSandboxNetworkStatus{}
	if sb.Network == sandbox.NetworkNode || len(sb.IPs) == 0 {
		return n
	}
	n.Ip = sb.IPs[0]
	for _, ip := range sb.IPs[1:] {
		n.AdditionalIps = append(n.AdditionalIps, &runtimeapi.PodIP{Ip: ip})
	}
	return n
}

// verboseInfo is the info map of a verbose answer: what is on record about a
// pod or container, or known of an image, under the key where crictl's users
// look for it. It holds what the pod's owner wrote, environments included.
func verboseInfo(value any) (map[string]string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return map[string]string{"info": string(text)}, nil
}

// nanos is a time as CRI has it; 0 is "not specified".
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
