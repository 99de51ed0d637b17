// SPDX-License-Identifier: Apache-2.0

package cri

import (
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/sandbox"
)

// networkMode tells the pod's own network from the node's. CONTAINER is not
// reachable through the Kubernetes API and means the pod's.
func networkMode(m runtimeapi.NamespaceMode) sandbox.NetworkMode {
	if m == runtimeapi.NamespaceMode_NODE {
		return sandbox.NetworkNode
	}
	return sandbox.NetworkPod
}

// namespaceOptions keeps what the client asked for, by the API's own names, to
// echo it: the kubelet compares and makes the pod anew when it differs.
func namespaceOptions(o *runtimeapi.NamespaceOption) sandbox.NamespaceOptions {
	kept := sandbox.NamespaceOptions{
		Pid:      o.GetPid().String(),
		Ipc:      o.GetIpc().String(),
		TargetID: o.GetTargetId(),
	}
	if u := o.GetUsernsOptions(); u != nil {
		kept.Userns = u.GetMode().String()
	}
	return kept
}

// echoNamespaces gives back what namespaceOptions kept.
func echoNamespaces(mode sandbox.NetworkMode, o sandbox.NamespaceOptions) *runtimeapi.NamespaceOption {
	network := runtimeapi.NamespaceMode_POD
	if mode == sandbox.NetworkNode {
		network = runtimeapi.NamespaceMode_NODE
	}
	echo := &runtimeapi.NamespaceOption{
		Network:  network,
		Pid:      runtimeapi.NamespaceMode(runtimeapi.NamespaceMode_value[o.Pid]),
		Ipc:      runtimeapi.NamespaceMode(runtimeapi.NamespaceMode_value[o.Ipc]),
		TargetId: o.TargetID,
	}
	if o.Userns != "" {
		echo.UsernsOptions = &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode(runtimeapi.NamespaceMode_value[o.Userns])}
	}
	return echo
}

// validateNamespaces accepts every mode that gives a guest no less isolation
// than asked for. A Wasm guest sees neither processes nor IPC objects, so the
// PID and IPC modes make no difference to it.
func validateNamespaces(field string, o *runtimeapi.NamespaceOption) error {
	for _, n := range []struct {
		name string
		mode runtimeapi.NamespaceMode
	}{{"network", o.GetNetwork()}, {"pid", o.GetPid()}, {"ipc", o.GetIpc()}} {
		if _, ok := runtimeapi.NamespaceMode_name[int32(n.mode)]; !ok {
			return invalid(field+"."+n.name, "%d is not a namespace mode", n.mode)
		}
	}
	if o.GetNetwork() == runtimeapi.NamespaceMode_TARGET {
		return invalid(field+".network", "TARGET: a container's network is that of its pod")
	}
	if err := validateText(field+".target_id", o.GetTargetId(), maxName); err != nil {
		return err
	}
	if u := o.GetUsernsOptions(); u != nil && (u.GetMode() != runtimeapi.NamespaceMode_NODE || len(u.GetUids()) > 0 || len(u.GetGids()) > 0) {
		return invalid(field+".userns_options", "a user namespace (hostUsers: false) is not supported for Wasm pods")
	}
	return nil
}
