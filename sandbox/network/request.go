// SPDX-License-Identifier: Apache-2.0

package network

import (
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
)

// Protocol is a transport protocol by its name in CNI.
type Protocol string

// The protocols of CRI's PortMapping.
const (
	ProtocolTCP  Protocol = "tcp"
	ProtocolUDP  Protocol = "udp"
	ProtocolSCTP Protocol = "sctp"
)

// PortMapping asks that a port of the node leads to one of the pod. The JSON is
// that of the portMappings capability of CNI.
type PortMapping struct {
	Protocol      Protocol `json:"protocol"`
	ContainerPort int32    `json:"containerPort"`
	HostPort      int32    `json:"hostPort"`
	HostIP        string   `json:"hostIP,omitempty"`
}

// DNS is how a pod resolves names. The JSON is that of the dns capability.
type DNS struct {
	Servers  []string `json:"servers,omitempty"`
	Searches []string `json:"searches,omitempty"`
	Options  []string `json:"options,omitempty"`
}

// Empty says whether nothing is asked for.
func (d DNS) Empty() bool {
	return len(d.Servers)+len(d.Searches)+len(d.Options) == 0
}

// Request is what plugins may want to know of a pod.
type Request struct {
	Namespace, Name, UID string
	Annotations          map[string]string
	PortMappings         []PortMapping
	DNS                  DNS
	CgroupParent         string
}

// args are the CNI_ARGS by which Kubernetes runtimes name a pod. They are
// joined by ';' and '=' without any quoting.
func (r Request) args(id string) ([][2]string, error) {
	args := [][2]string{
		{"IgnoreUnknown", "1"},
		{"K8S_POD_NAMESPACE", r.Namespace},
		{"K8S_POD_NAME", r.Name},
		{"K8S_POD_INFRA_CONTAINER_ID", id},
		{"K8S_POD_UID", r.UID},
	}
	for _, a := range args {
		if strings.ContainsAny(a[1], ";=\x00") {
			return nil, fmt.Errorf("network: %s %q cannot be told to a CNI plugin: %w", a[0], a[1], errdefs.ErrInvalidArgument)
		}
	}
	return args, nil
}

// capabilities are the runtime's side of the CNI conventions; libcni gives a
// plugin those that it declares.
func (r Request) capabilities() map[string]any {
	c := map[string]any{}
	if ports := r.hostPorts(); len(ports) > 0 {
		c["portMappings"] = ports
	}
	if !r.DNS.Empty() {
		c["dns"] = r.DNS
	}
	if r.CgroupParent != "" {
		c["cgroupPath"] = r.CgroupParent
	}
	if len(r.Annotations) > 0 {
		c["io.kubernetes.cri.pod-annotations"] = r.Annotations
	}
	return c
}

func (r Request) hostPorts() []PortMapping {
	var ports []PortMapping
	for _, p := range r.PortMappings {
		if p.HostPort > 0 {
			ports = append(ports, p)
		}
	}
	return ports
}
