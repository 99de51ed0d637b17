// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

var propagations = map[runtimeapi.MountPropagation]runtime.Propagation{
	runtimeapi.MountPropagation_PROPAGATION_PRIVATE:           runtime.PropagationPrivate,
	runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER: runtime.PropagationSlave,
	runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL:     runtime.PropagationShared,
}

// hostMounts validates and converts the mounts of a container.
func hostMounts(asked []*runtimeapi.Mount) ([]runtime.Mount, error) {
	list := make([]runtime.Mount, 0, len(asked))
	for i, m := range asked {
		converted, err := hostMount(fmt.Sprintf("config.mounts[%d]", i), m)
		if err != nil {
			return nil, err
		}
		list = append(list, converted)
	}
	return list, nil
}

// hostMount converts one mount of a path of the host. An SELinux relabel is the
// one wish that may be dropped: it only widens who may read the source.
func hostMount(field string, m *runtimeapi.Mount) (runtime.Mount, error) {
	if err := refuseMount(field, m); err != nil {
		return runtime.Mount{}, err
	}
	if err := requirePath(field+".container_path", m.GetContainerPath()); err != nil {
		return runtime.Mount{}, err
	}
	if err := requirePath(field+".host_path", m.GetHostPath()); err != nil {
		return runtime.Mount{}, err
	}
	propagation, ok := propagations[m.GetPropagation()]
	if !ok {
		return runtime.Mount{}, invalid(field+".propagation", "%d is not a propagation mode", m.GetPropagation())
	}
	if m.GetRecursiveReadOnly() {
		if !m.GetReadonly() {
			return runtime.Mount{}, invalid(field+".recursive_read_only", "needs readonly")
		}
		if propagation != runtime.PropagationPrivate {
			return runtime.Mount{}, invalid(field+".recursive_read_only", "needs private propagation, not %s", m.GetPropagation())
		}
	}
	return runtime.Mount{
		ContainerPath:     m.GetContainerPath(),
		HostPath:          m.GetHostPath(),
		ReadOnly:          m.GetReadonly(),
		RecursiveReadOnly: m.GetRecursiveReadOnly(),
		Propagation:       propagation,
	}, nil
}

// refuseMount says which kinds of mounts cannot be had. The kubelet asks for
// the last two only where the runtime's status offers them.
func refuseMount(field string, m *runtimeapi.Mount) error {
	at := clean(m.GetContainerPath(), 256)
	switch {
	case m.GetImage().GetImage() != "" || m.GetImageSubPath() != "":
		return invalid(field+".image", "%s: image volumes are not supported for Wasm containers", at)
	case len(m.GetUidMappings()) > 0 || len(m.GetGidMappings()) > 0:
		return invalid(field+".uidMappings", "%s: id-mapped mounts are not supported for Wasm containers", at)
	case len(m.GetMountOptions()) > 0:
		return invalid(field+".mount_options", "%s: mount options are not supported for Wasm containers", at)
	default:
		return nil
	}
}

// echoMounts gives back what hostMounts converted: the kubelet finds the
// termination log among them.
func echoMounts(list []runtime.Mount) []*runtimeapi.Mount {
	echo := make([]*runtimeapi.Mount, 0, len(list))
	for _, m := range list {
		echo = append(echo, &runtimeapi.Mount{
			ContainerPath:     m.ContainerPath,
			HostPath:          m.HostPath,
			Readonly:          m.ReadOnly,
			RecursiveReadOnly: m.RecursiveReadOnly,
			Propagation:       propagationMode(m.Propagation),
		})
	}
	return echo
}

func propagationMode(p runtime.Propagation) runtimeapi.MountPropagation {
	for mode, name := range propagations {
		if name == p {
			return mode
		}
	}
	return runtimeapi.MountPropagation_PROPAGATION_PRIVATE
}
