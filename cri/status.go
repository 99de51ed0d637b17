// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"encoding/json"
	"fmt"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/sandbox"
)

const (
	// runtimeName becomes the scheme of every container id in the API:
	// wazelet://<id>.
	runtimeName = "wazelet"
	// apiVersion is the version of CRI; protocolVersion that of the exchange
	// of versions itself, which has never changed.
	apiVersion      = "v1"
	protocolVersion = "0.1.0"
)

// statusService answers the RPCs on the runtime as a whole.
type statusService struct {
	handlers  handlers
	sandboxes *sandbox.Controller
	version   string
	driver    cgroup.Driver
	info      map[string]any
}

// Version says who answers.
func (s statusService) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{
		Version: protocolVersion, RuntimeName: runtimeName, RuntimeVersion: s.version, RuntimeApiVersion: apiVersion,
	}, nil
}

// Status says whether the node can run pods, and what each handler offers. A
// runtime that answers is ready: until then the interceptor refuses all calls.
func (s statusService) Status(ctx context.Context, r *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	list, err := s.handlers.status(ctx)
	if err != nil {
		return nil, err
	}
	resp := &runtimeapi.StatusResponse{
		Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
			{Type: runtimeapi.RuntimeReady, Status: true},
			networkCondition(s.sandboxes.NetworkReady()),
		}},
		RuntimeHandlers: list,
		// What is false is not offered yet.
		Features: &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true, MountOptions: true},
	}
	if !r.GetVerbose() {
		return resp, nil
	}
	resp.Info = make(map[string]string, len(s.info))
	for key, value := range s.info {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("status: info %s: %w", key, err)
		}
		resp.Info[key] = string(text)
	}
	return resp, nil
}

// networkCondition says why pods cannot have a network now. Without it only
// pods on the node's network run.
func networkCondition(err error) *runtimeapi.RuntimeCondition {
	if err == nil {
		return &runtimeapi.RuntimeCondition{Type: runtimeapi.NetworkReady, Status: true}
	}
	return &runtimeapi.RuntimeCondition{
		Type: runtimeapi.NetworkReady, Status: false,
		Reason: "NetworkPluginNotReady", Message: clean(err.Error(), maxErrorText),
	}
}

// RuntimeConfig tells the kubelet which cgroup driver to use.
func (s statusService) RuntimeConfig(context.Context, *runtimeapi.RuntimeConfigRequest) (*runtimeapi.RuntimeConfigResponse, error) {
	return &runtimeapi.RuntimeConfigResponse{
		Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: cgroupDriver(s.driver)},
	}, nil
}

func cgroupDriver(d cgroup.Driver) runtimeapi.CgroupDriver {
	if d == cgroup.Systemd {
		return runtimeapi.CgroupDriver_SYSTEMD
	}
	return runtimeapi.CgroupDriver_CGROUPFS
}

// UpdateRuntimeConfig is told of the node's pod CIDR. The addresses of pods are
// the CNI configuration's business, so there is nothing to do.
func (statusService) UpdateRuntimeConfig(context.Context, *runtimeapi.UpdateRuntimeConfigRequest) (*runtimeapi.UpdateRuntimeConfigResponse, error) {
	return &runtimeapi.UpdateRuntimeConfigResponse{}, nil
}
