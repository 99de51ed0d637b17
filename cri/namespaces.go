// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"math"
	"slices"

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
		kept.UIDs, kept.GIDs = idMaps(u.GetUids()), idMaps(u.GetGids())
	}
	return kept
}

// idMaps converts mappings that validateIDMaps has accepted.
func idMaps(asked []*runtimeapi.IDMapping) (list []sandbox.IDMap) {
	for _, m := range asked {
		list = append(list, sandbox.IDMap{Container: m.GetContainerId(), Host: m.GetHostId(), Size: m.GetLength()})
	}
	return list
}

// echoIDMaps gives back what idMaps converted.
func echoIDMaps(list []sandbox.IDMap) (echo []*runtimeapi.IDMapping) {
	for _, m := range list {
		echo = append(echo, &runtimeapi.IDMapping{ContainerId: m.Container, HostId: m.Host, Length: m.Size})
	}
	return echo
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
		echo.UsernsOptions = &runtimeapi.UserNamespace{
			Mode: runtimeapi.NamespaceMode(runtimeapi.NamespaceMode_value[o.Userns]),
			Uids: echoIDMaps(o.UIDs), Gids: echoIDMaps(o.GIDs),
		}
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
	return validateUserns(field+".userns_options", o.GetUsernsOptions())
}

// validateUserns accepts the node's user namespace, and one of the pod's own whose
// root is somebody else on the node.
func validateUserns(field string, u *runtimeapi.UserNamespace) error {
	switch u.GetMode() {
	case runtimeapi.NamespaceMode_NODE:
		if len(u.GetUids()) > 0 || len(u.GetGids()) > 0 {
			return invalid(field, "the node's user namespace has no mapping of ids")
		}
		return nil
	case runtimeapi.NamespaceMode_POD:
		if u == nil {
			return nil // not said
		}
		if err := validateIDMaps(field+".uids", u.GetUids()); err != nil {
			return err
		}
		return validateIDMaps(field+".gids", u.GetGids())
	default:
		return invalid(field+".mode", "%s: a user namespace is the pod's or the node's", u.GetMode())
	}
}

// validateIDMaps accepts one range that begins with 0, as the kubelet gives it.
func validateIDMaps(field string, maps []*runtimeapi.IDMapping) error {
	if len(maps) != 1 {
		return invalid(field, "%d mappings, want 1", len(maps))
	}
	m := maps[0]
	switch end := uint64(m.GetHostId()) + uint64(m.GetLength()); {
	case m.GetContainerId() != 0:
		return invalid(field+"[0].container_id", "%d: the mapping must begin with 0", m.GetContainerId())
	case m.GetLength() == 0:
		return invalid(field+"[0].length", "required")
	case m.GetHostId() == 0:
		return invalid(field+"[0].host_id", "0: the pod's root would be the node's")
	case end > math.MaxUint32:
		return invalid(field+"[0]", "the range ends beyond %d", uint32(math.MaxUint32))
	}
	return nil
}

// validatePodUserns refuses a user namespace for one container that its pod does
// not have.
func validatePodUserns(c *runtimeapi.ContainerConfig, sb sandbox.Sandbox) error {
	asked := namespaceOptions(c.GetLinux().GetSecurityContext().GetNamespaceOptions())
	if len(asked.UIDs) > 0 && (!slices.Equal(asked.UIDs, sb.NamespaceOptions.UIDs) || !slices.Equal(asked.GIDs, sb.NamespaceOptions.GIDs)) {
		return invalid("config.linux.security_context.namespace_options.userns_options", "the mapping of ids is not that of the pod")
	}
	return nil
}
