// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// Devices is a device plugin: what it has of one extended resource, and what an
// allocation of one of them gives a container.
type Devices struct {
	deviceplugin.UnimplementedDevicePluginServer
	// Resource is the resource's name, VENDOR-DOMAIN/RESOURCE.
	Resource string
	// IDs are the devices that there are.
	IDs []string
	// Allocate answers for the devices of one container.
	Allocated func(ids []string) *deviceplugin.ContainerAllocateResponse

	server *server
}

// Start serves the plugin below dir, the kubelet's device-plugins folder, and
// registers it with the kubelet there.
func (d *Devices) Start(ctx context.Context, dir string) error {
	name := filepath.Base(d.Resource) + ".sock"
	var err error
	d.server, err = serve(filepath.Join(dir, name), func(r grpc.ServiceRegistrar) { deviceplugin.RegisterDevicePluginServer(r, d) })
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix://"+filepath.Join(dir, "kubelet.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it has had its one answer
	_, err = deviceplugin.NewRegistrationClient(conn).Register(ctx, &deviceplugin.RegisterRequest{
		Version: deviceplugin.Version, Endpoint: name, ResourceName: d.Resource,
	})
	return err
}

// Close ends the plugin; the kubelet then has no healthy device of it.
func (d *Devices) Close() error { return d.server.close() }

// GetDevicePluginOptions says that nothing is to be called beyond Allocate.
func (d *Devices) GetDevicePluginOptions(context.Context, *deviceplugin.Empty) (*deviceplugin.DevicePluginOptions, error) {
	return &deviceplugin.DevicePluginOptions{}, nil
}

// ListAndWatch tells of all devices once and of no change until the plugin ends.
func (d *Devices) ListAndWatch(_ *deviceplugin.Empty, stream grpc.ServerStreamingServer[deviceplugin.ListAndWatchResponse]) error {
	list := &deviceplugin.ListAndWatchResponse{}
	for _, id := range d.IDs {
		list.Devices = append(list.Devices, &deviceplugin.Device{ID: id, Health: deviceplugin.Healthy})
	}
	if err := stream.Send(list); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// Allocate answers for each container of a pod.
func (d *Devices) Allocate(_ context.Context, r *deviceplugin.AllocateRequest) (*deviceplugin.AllocateResponse, error) {
	answer := &deviceplugin.AllocateResponse{}
	for _, c := range r.GetContainerRequests() {
		answer.ContainerResponses = append(answer.ContainerResponses, d.Allocated(c.GetDevicesIds()))
	}
	return answer, nil
}
