// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cri/streaming"
	"github.com/wazelet/wazelet/sandbox"
)

// maxForwards is how many ports one stream can be for: over a WebSocket each
// takes two channels, whose numbers are single bytes.
const maxForwards = 128

// portForwardService answers the RPC that opens streams to ports of pods.
type portForwardService struct {
	sandboxes *sandbox.Controller
	streams   *streaming.Server
}

// PortForward returns the URL at which ports of a pod can be reached, once. Which
// ports it names matters over a WebSocket only: a SPDY client asks for each port
// as it needs it.
func (s portForwardService) PortForward(_ context.Context, r *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	if err := requireID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	if err := validatePorts("port", r.GetPort()); err != nil {
		return nil, err
	}
	sb, _, err := s.sandboxes.Ready(r.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	full := proto.CloneOf(r)
	full.PodSandboxId = sb.ID
	return s.streams.PortForward(full)
}

// validatePorts checks a list of TCP ports, which may be empty.
func validatePorts(field string, ports []int32) error {
	if len(ports) > maxForwards {
		return invalid(field, "%d ports are more than %d", len(ports), maxForwards)
	}
	for i, port := range ports {
		if port < 1 || port > 65535 {
			return invalid(fmt.Sprintf("%s[%d]", field, i), "%d is not a port", port)
		}
	}
	return nil
}
