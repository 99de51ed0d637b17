// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"github.com/containerd/errdefs"
)

// maxHostname is HOST_NAME_MAX of Linux.
const maxHostname = 64

// validate refuses what cannot be given, before anything is made.
func (c Config) validate() error {
	for _, f := range []struct{ name, value string }{
		{"name", c.Name}, {"namespace", c.Namespace}, {"uid", c.UID},
	} {
		if f.value == "" {
			return c.invalid("metadata has no %s", f.name)
		}
	}
	if c.Network != NetworkPod && c.Network != NetworkNode {
		return c.invalid("network mode %q", c.Network)
	}
	if err := c.validateHostname(); err != nil {
		return err
	}
	if err := c.validateDNS(); err != nil {
		return err
	}
	if err := c.validatePorts(); err != nil {
		return err
	}
	return c.validateSysctls()
}

func (c Config) invalid(format string, args ...any) error {
	return fmt.Errorf("sandbox %s: %s: %w", c.Metadata, fmt.Sprintf(format, args...), errdefs.ErrInvalidArgument)
}

func (c Config) validateHostname() error {
	if len(c.Hostname) > maxHostname {
		return c.invalid("hostname %q has %d characters, Linux allows %d", c.Hostname, len(c.Hostname), maxHostname)
	}
	for _, r := range c.Hostname {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r)
		if !ok {
			return c.invalid("hostname %q contains %q", c.Hostname, r)
		}
	}
	return nil
}

// validateDNS keeps each entry to one word of one line of resolv.conf.
func (c Config) validateDNS() error {
	for _, s := range c.DNS.Servers {
		if _, err := netip.ParseAddr(s); err != nil {
			return c.invalid("DNS server %q is no IP address", s)
		}
	}
	for _, word := range append(append([]string{}, c.DNS.Searches...), c.DNS.Options...) {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return c.invalid("DNS entry %q is not one word", word)
		}
	}
	return nil
}

func (c Config) validatePorts() error {
	for _, p := range c.PortMappings {
		if p.HostPort < 0 || p.HostPort > 65535 || p.ContainerPort < 0 || p.ContainerPort > 65535 || p.HostPort > 0 && p.ContainerPort == 0 {
			return c.invalid("port mapping of %d to %d: ports are 1 to 65535", p.HostPort, p.ContainerPort)
		}
		if p.Protocol != ProtocolTCP && p.Protocol != ProtocolUDP && p.Protocol != ProtocolSCTP {
			return c.invalid("port mapping of %d: protocol %q", p.HostPort, p.Protocol)
		}
		if _, err := netip.ParseAddr(p.HostIP); err != nil && p.HostIP != "" {
			return c.invalid("port mapping of %d: host address %q is no IP address", p.HostPort, p.HostIP)
		}
	}
	return nil
}

// validateSysctls allows those of the namespaces that a pod's containers have
// of their own: network and IPC. All others are the node's.
func (c Config) validateSysctls() error {
	for name := range c.Sysctls {
		file, err := sysctlFile(name)
		if err != nil {
			return c.invalid("%v", err)
		}
		switch {
		case ipcSysctl(file):
			if c.NamespaceOptions.Ipc == ipcOfNode {
				return c.invalid("sysctl %s: a pod in the node's IPC namespace (hostIPC) cannot set it", name)
			}
		case !strings.HasPrefix(file, "net/"):
			return c.invalid("sysctl %s: it is the whole node's; a pod can set net.*, kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.*", name)
		case c.Network == NetworkNode:
			return c.invalid("sysctl %s: it would change the node's own network (hostNetwork)", name)
		}
	}
	return nil
}
