// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"slices"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/sandbox"
)

// sandboxConfig validates and converts what RunPodSandbox asks for.
func sandboxConfig(c *runtimeapi.PodSandboxConfig, handler string) (sandbox.Config, error) {
	if c == nil {
		return sandbox.Config{}, invalid("config", "required")
	}
	if err := validateSandbox(c); err != nil {
		return sandbox.Config{}, err
	}
	ports, err := portMappings(c.GetPortMappings())
	if err != nil {
		return sandbox.Config{}, err
	}
	linux := c.GetLinux()
	overhead, err := optionalResources("config.linux.overhead", linux.GetOverhead())
	if err != nil {
		return sandbox.Config{}, err
	}
	resources, err := optionalResources("config.linux.resources", linux.GetResources())
	if err != nil {
		return sandbox.Config{}, err
	}
	namespaces := linux.GetSecurityContext().GetNamespaceOptions()
	return sandbox.Config{
		Metadata: sandbox.Metadata{
			Name: c.GetMetadata().GetName(), Namespace: c.GetMetadata().GetNamespace(),
			UID: c.GetMetadata().GetUid(), Attempt: c.GetMetadata().GetAttempt(),
		},
		Handler:          handler,
		Hostname:         c.GetHostname(),
		LogDirectory:     c.GetLogDirectory(),
		CgroupParent:     linux.GetCgroupParent(),
		Labels:           c.GetLabels(),
		Annotations:      c.GetAnnotations(),
		DNS:              dns(c.GetDnsConfig()),
		PortMappings:     ports,
		Network:          networkMode(namespaces.GetNetwork()),
		Sysctls:          linux.GetSysctls(),
		Overhead:         overhead,
		Resources:        resources,
		NamespaceOptions: namespaceOptions(namespaces),
	}, nil
}

// validateSandbox checks what is taken over as it is. What a hostname, a
// resolver, a port or a sysctl may be is the sandbox's own to say.
func validateSandbox(c *runtimeapi.PodSandboxConfig) error {
	if err := validateSize("config", c); err != nil {
		return err
	}
	m := c.GetMetadata()
	for _, f := range []struct{ field, value string }{
		{"config.metadata.name", m.GetName()},
		{"config.metadata.namespace", m.GetNamespace()},
		{"config.metadata.uid", m.GetUid()},
	} {
		if err := requireName(f.field, f.value); err != nil {
			return err
		}
	}
	if err := validateOptionalPath("config.log_directory", c.GetLogDirectory()); err != nil {
		return err
	}
	if err := validateCgroupParent(c.GetLinux().GetCgroupParent()); err != nil {
		return err
	}
	if _, err := memoryGrowFail(c.GetAnnotations()); err != nil {
		return err
	}
	return validateSandboxSecurity(c.GetLinux().GetSecurityContext())
}

// validateCgroupParent accepts what is in use: nothing, a cgroupfs path, a
// systemd slice.
func validateCgroupParent(parent string) error {
	const field = "config.linux.cgroup_parent"
	if err := validateText(field, parent, maxPath); err != nil {
		return err
	}
	if slices.Contains(strings.Split(parent, "/"), "..") {
		return invalid(field, "%q leaves the cgroup tree", parent)
	}
	return nil
}

// dns takes the pod's resolver settings over.
func dns(d *runtimeapi.DNSConfig) sandbox.DNS {
	return sandbox.DNS{Servers: d.GetServers(), Searches: d.GetSearches(), Options: d.GetOptions()}
}

// portMappings keeps the mappings that ask for a port of the host: a host port
// of 0 means none (PortMapping.host_port).
func portMappings(asked []*runtimeapi.PortMapping) ([]sandbox.PortMapping, error) {
	var ports []sandbox.PortMapping
	for i, p := range asked {
		protocol, ok := protocols[p.GetProtocol()]
		if !ok {
			return nil, invalid(fmt.Sprintf("config.port_mappings[%d].protocol", i), "%d is not a protocol", p.GetProtocol())
		}
		if p.GetHostPort() == 0 {
			continue
		}
		ports = append(ports, sandbox.PortMapping{
			Protocol: protocol, ContainerPort: p.GetContainerPort(), HostPort: p.GetHostPort(), HostIP: p.GetHostIp(),
		})
	}
	return ports, nil
}

var protocols = map[runtimeapi.Protocol]sandbox.Protocol{
	runtimeapi.Protocol_TCP:  sandbox.ProtocolTCP,
	runtimeapi.Protocol_UDP:  sandbox.ProtocolUDP,
	runtimeapi.Protocol_SCTP: sandbox.ProtocolSCTP,
}
