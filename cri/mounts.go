// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"slices"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

var propagations = map[runtimeapi.MountPropagation]runtime.Propagation{
	runtimeapi.MountPropagation_PROPAGATION_PRIVATE:           runtime.PropagationPrivate,
	runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER: runtime.PropagationSlave,
}

// mountOptions are the attributes a mount may be given by name. The API server
// takes the first three (VolumeBindMountOptions); an attribute only ever takes
// something away from a guest.
var mountOptions = []string{
	"nosuid", "nodev", "noexec",
	"ro", "nosymfollow", "noatime", "nodiratime", "relatime", "strictatime",
}

const whyNotBidirectional = "Bidirectional propagation is not possible for Wasm containers: a guest makes no mounts that could reach the node; use HostToContainer"

// mounts validates and converts the mounts of a container.
func mounts(asked []*runtimeapi.Mount) ([]runtime.Mount, error) {
	list := make([]runtime.Mount, 0, len(asked))
	for i, m := range asked {
		converted, err := mount(fmt.Sprintf("config.mounts[%d]", i), m)
		if err != nil {
			return nil, err
		}
		list = append(list, converted)
	}
	return list, nil
}

// mount converts one mount. An SELinux relabel means nothing for a container
// without a label of its own: it only widens who may read the source.
func mount(field string, m *runtimeapi.Mount) (runtime.Mount, error) {
	if err := requirePath(field+".container_path", m.GetContainerPath()); err != nil {
		return runtime.Mount{}, err
	}
	if len(m.GetUidMappings()) > 0 || len(m.GetGidMappings()) > 0 {
		if err := validateIDMaps(field+".uidMappings", m.GetUidMappings()); err != nil {
			return runtime.Mount{}, err
		}
		if err := validateIDMaps(field+".gidMappings", m.GetGidMappings()); err != nil {
			return runtime.Mount{}, err
		}
	}
	if err := validateMountOptions(field+".mount_options", m.GetMountOptions()); err != nil {
		return runtime.Mount{}, err
	}
	propagation, err := mountPropagation(field, m)
	if err != nil {
		return runtime.Mount{}, err
	}
	converted := runtime.Mount{
		ContainerPath:     m.GetContainerPath(),
		ReadOnly:          m.GetReadonly(),
		RecursiveReadOnly: m.GetRecursiveReadOnly(),
		Propagation:       propagation,
		Relabel:           m.GetSelinuxRelabel(),
		Options:           m.GetMountOptions(),
		UIDs:              idMaps(m.GetUidMappings()),
		GIDs:              idMaps(m.GetGidMappings()),
	}
	if m.GetImage().GetImage() != "" || m.GetImageSubPath() != "" {
		return imageMount(field, m, converted)
	}
	converted.HostPath = m.GetHostPath()
	return converted, requirePath(field+".host_path", m.GetHostPath())
}

// mountPropagation converts how a mount propagates, and checks the rules that
// bind it to read-only mounts.
func mountPropagation(field string, m *runtimeapi.Mount) (runtime.Propagation, error) {
	if m.GetPropagation() == runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL {
		return "", invalid(field+".propagation", "%s", whyNotBidirectional)
	}
	propagation, ok := propagations[m.GetPropagation()]
	if !ok {
		return "", invalid(field+".propagation", "%d is not a propagation mode", m.GetPropagation())
	}
	if !m.GetRecursiveReadOnly() {
		return propagation, nil
	}
	if !m.GetReadonly() {
		return "", invalid(field+".recursive_read_only", "needs readonly")
	}
	if propagation != runtime.PropagationPrivate {
		return "", invalid(field+".recursive_read_only", "needs private propagation, not %s", m.GetPropagation())
	}
	return propagation, nil
}

// imageMount completes the mount of an image. Links in the image are followed
// inside it, so its sub path needs no other check than its length.
func imageMount(field string, m *runtimeapi.Mount, converted runtime.Mount) (runtime.Mount, error) {
	if err := requireImage(field+".image", m.GetImage()); err != nil {
		return runtime.Mount{}, err
	}
	if err := validateText(field+".image.user_specified_image", m.GetImage().GetUserSpecifiedImage(), maxImageRef); err != nil {
		return runtime.Mount{}, err
	}
	if err := validateText(field+".image_sub_path", m.GetImageSubPath(), maxPath); err != nil {
		return runtime.Mount{}, err
	}
	if m.GetHostPath() != "" {
		return runtime.Mount{}, invalid(field+".host_path", "must be empty where an image is mounted")
	}
	if !m.GetReadonly() {
		return runtime.Mount{}, invalid(field+".readonly", "an image is mounted read-only, so this must be set")
	}
	converted.Image, converted.ImageRef = m.GetImage().GetImage(), userImage(m.GetImage())
	converted.ImageSubPath = m.GetImageSubPath()
	return converted, nil
}

func validateMountOptions(field string, options []string) error {
	for i, option := range options {
		if !slices.Contains(mountOptions, option) {
			return invalid(fmt.Sprintf("%s[%d]", field, i), "%q is not an option for a bind mount (known: %s)", clean(option, 256), strings.Join(mountOptions, ", "))
		}
	}
	return nil
}

// echoMounts gives back what mounts converted: the kubelet finds the
// termination log among them, and the images that are in use.
func echoMounts(list []runtime.Mount) []*runtimeapi.Mount {
	echo := make([]*runtimeapi.Mount, 0, len(list))
	for _, m := range list {
		mount := &runtimeapi.Mount{
			ContainerPath:     m.ContainerPath,
			HostPath:          m.HostPath,
			Readonly:          m.ReadOnly,
			RecursiveReadOnly: m.RecursiveReadOnly,
			Propagation:       propagationMode(m.Propagation),
			MountOptions:      m.Options,
			UidMappings:       echoIDMaps(m.UIDs),
			GidMappings:       echoIDMaps(m.GIDs),
			ImageSubPath:      m.ImageSubPath,
		}
		if m.Image != "" {
			mount.Image = &runtimeapi.ImageSpec{Image: m.Image, UserSpecifiedImage: m.ImageRef, ImageRef: m.Image}
		}
		echo = append(echo, mount)
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
