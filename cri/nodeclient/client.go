// SPDX-License-Identifier: Apache-2.0

// Package nodeclient asks a CRI runtime, whichever it is, what runs on the node and
// how it is set up, and ends pods there. `wazelet install` and `wazelet uninstall`
// look at both runtimes with it.
package nodeclient

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// maxAnswer bounds one answer, in bytes, as the kubelet does: a list of a node's
// containers with their annotations can be large.
const maxAnswer = 16 << 20

// Client is a connection to a runtime. It must be closed.
type Client struct {
	socket     string
	connection *grpc.ClientConn
	runtime    runtimeapi.RuntimeServiceClient
}

// New makes a client of the runtime at a unix socket. It connects with the first
// call.
func New(socket string) (*Client, error) {
	connection, err := grpc.NewClient("unix://"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", socket, err)
	}
	return &Client{socket: socket, connection: connection, runtime: runtimeapi.NewRuntimeServiceClient(connection)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.connection.Close() }

// Description is what a runtime says about itself.
type Description struct {
	Name    string // such as "containerd"
	Version string
	// CgroupDriver is "systemd" or "cgroupfs"; empty where the runtime does not tell,
	// as those before CRI's RuntimeConfig.
	CgroupDriver string
	// CNIBinDirs and CNIConfDir are where it looks for CNI plugins and their
	// configuration; empty where its verbose Status does not tell.
	CNIBinDirs []string
	CNIConfDir string
	// Unmet are the conditions of its Status that do not hold.
	Unmet []Condition
}

// Condition is one condition of a runtime's Status.
type Condition struct{ Type, Message string }

// Describe asks for the description.
func (c *Client) Describe(ctx context.Context) (Description, error) {
	version, err := c.runtime.Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		return Description{}, c.failed("Version", err)
	}
	d := Description{Name: version.GetRuntimeName(), Version: version.GetRuntimeVersion()}
	answer, err := c.runtime.Status(ctx, &runtimeapi.StatusRequest{Verbose: true})
	if err != nil {
		return d, c.failed("Status", err)
	}
	for _, condition := range answer.GetStatus().GetConditions() {
		if !condition.GetStatus() {
			d.Unmet = append(d.Unmet, Condition{condition.GetType(), condition.GetMessage()})
		}
	}
	d.CNIBinDirs, d.CNIConfDir = cniDirs(answer.GetInfo()["config"])
	config, err := c.runtime.RuntimeConfig(ctx, &runtimeapi.RuntimeConfigRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented:
		return d, nil
	case err != nil:
		return d, c.failed("RuntimeConfig", err)
	}
	d.CgroupDriver = "systemd"
	if config.GetLinux().GetCgroupDriver() == runtimeapi.CgroupDriver_CGROUPFS {
		d.CgroupDriver = "cgroupfs"
	}
	return d, nil
}

// cniDirs reads containerd's configuration as its verbose Status shows it: version 2
// of containerd has a list of folders with plugins, version 1 has one.
func cniDirs(info string) (bin []string, conf string) {
	var config struct {
		CNI struct {
			BinDir  string   `json:"binDir"`
			BinDirs []string `json:"binDirs"`
			ConfDir string   `json:"confDir"`
		} `json:"cni"`
	}
	if json.Unmarshal([]byte(info), &config) != nil {
		return nil, "" // another runtime's, or none
	}
	bin = config.CNI.BinDirs
	if len(bin) == 0 && config.CNI.BinDir != "" {
		bin = []string{config.CNI.BinDir}
	}
	return bin, config.CNI.ConfDir
}

// failed names the runtime and the call, and gives the error its class.
func (c *Client) failed(call string, err error) error {
	return fmt.Errorf("%s: %s: %s: %w", c.socket, call, status.Convert(err).Message(), errdefs.Resolve(errgrpc.ToNative(err)))
}
