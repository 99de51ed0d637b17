// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// Volumes is the node part of a CSI driver whose volumes are file systems in
// memory. It has no controller: volumes need neither making nor attaching.
type Volumes struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	// Name is the driver's, as in a CSIDriver object.
	Name string
	// Node is the node's name.
	Node string
	// Mount mounts a new file system at a folder of the node, which holds the
	// volume's context, a file for each of its values; Unmount takes it away.
	Mount   func(ctx context.Context, target string, files map[string]string, readOnly bool) error
	Unmount func(ctx context.Context, target string) error

	service, registrar *server
}

// Start serves the driver and lets the kubelet whose root folder this is find it.
func (v *Volumes) Start(kubeletRoot string) error {
	endpoint := filepath.Join(kubeletRoot, "plugins", v.Name, "csi.sock")
	if err := os.MkdirAll(filepath.Dir(endpoint), 0o750); err != nil {
		return err
	}
	var err error
	v.service, err = serve(endpoint, func(r grpc.ServiceRegistrar) {
		csi.RegisterIdentityServer(r, v)
		csi.RegisterNodeServer(r, v)
	})
	if err != nil {
		return err
	}
	v.registrar, err = serve(filepath.Join(kubeletRoot, "plugins_registry", v.Name+"-reg.sock"), func(r grpc.ServiceRegistrar) {
		registration.RegisterRegistrationServer(r, registrar{name: v.Name, endpoint: endpoint})
	})
	return err
}

// Close ends the driver; the kubelet forgets it.
func (v *Volumes) Close() error {
	return errors.Join(v.registrar.close(), v.service.close())
}

// registrar introduces a driver to the kubelet, as the node-driver-registrar does.
type registrar struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
}

// GetInfo says who the plugin is.
func (r registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: r.name, Endpoint: r.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus is told how it went; the node's object says it too.
func (r registrar) NotifyRegistrationStatus(context.Context, *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	return &registration.RegistrationStatusResponse{}, nil
}

// GetPluginInfo says who the driver is.
func (v *Volumes) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: v.Name, VendorVersion: "1"}, nil
}

// GetPluginCapabilities says that there is no controller.
func (v *Volumes) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// Probe answers, and so the driver is ready.
func (v *Volumes) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// NodeGetCapabilities says that volumes are published and no more.
func (v *Volumes) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

// NodeGetInfo names the node.
func (v *Volumes) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: v.Node}, nil
}

// NodePublishVolume mounts a volume where a pod is to find it.
func (v *Volumes) NodePublishVolume(ctx context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if err := os.MkdirAll(r.GetTargetPath(), 0o755); err != nil {
		return nil, err
	}
	files := map[string]string{"handle": r.GetVolumeId()}
	for key, value := range r.GetVolumeContext() {
		files[filepath.Base(key)] = value
	}
	return &csi.NodePublishVolumeResponse{}, v.Mount(ctx, r.GetTargetPath(), files, r.GetReadonly())
}

// NodeUnpublishVolume takes the mount and its folder away.
func (v *Volumes) NodeUnpublishVolume(ctx context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	err := v.Unmount(ctx, r.GetTargetPath())
	if err == nil {
		err = os.RemoveAll(r.GetTargetPath())
	}
	return &csi.NodeUnpublishVolumeResponse{}, err
}
