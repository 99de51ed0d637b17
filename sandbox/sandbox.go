// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/sandbox/network"
)

// recordVersion is the version of Sandbox on disk.
const recordVersion = 1

// Metadata names a sandbox to its caller. Attempts of one pod are sandboxes of
// their own.
type Metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	UID       string `json:"uid"`
	Attempt   uint32 `json:"attempt,omitempty"`
}

// String is the name for messages.
func (m Metadata) String() string {
	return fmt.Sprintf("%s/%s (attempt %d)", m.Namespace, m.Name, m.Attempt)
}

// NetworkMode says whose network a pod has.
type NetworkMode string

const (
	// NetworkPod is a network namespace of the pod's own.
	NetworkPod NetworkMode = "pod"
	// NetworkNode is the node's network.
	NetworkNode NetworkMode = "node"
)

// What the network needs to know of a pod is the network's to define.
type (
	// Protocol is a transport protocol.
	Protocol = network.Protocol
	// PortMapping asks that a port of the node leads to one of the pod.
	PortMapping = network.PortMapping
	// DNS is how a pod resolves names.
	DNS = network.DNS
)

// The protocols of a PortMapping.
const (
	ProtocolTCP  = network.ProtocolTCP
	ProtocolUDP  = network.ProtocolUDP
	ProtocolSCTP = network.ProtocolSCTP
)

// NamespaceOptions are the namespaces asked for in the API's own words. They
// are kept to be shown again; a worker has a pid and ipc namespace of its own.
type NamespaceOptions struct {
	Pid      string `json:"pid,omitempty"`
	Ipc      string `json:"ipc,omitempty"`
	TargetID string `json:"target_id,omitempty"`
	Userns   string `json:"userns,omitempty"`
	// UIDs and GIDs are the mapping of a user namespace of the pod's own (Userns
	// POD); the containers' workers are born with it.
	UIDs []IDMap `json:"uids,omitempty"`
	GIDs []IDMap `json:"gids,omitempty"`
}

// IDMap maps a range of a pod's user or group ids to the host's.
type IDMap struct {
	Container uint32 `json:"container"`
	Host      uint32 `json:"host"`
	Size      uint32 `json:"size"`
}

// ipcOfNode is NamespaceOptions.Ipc of a pod with hostIPC.
const ipcOfNode = "NODE"

// Config is what a sandbox is made from. Nobody changes it after Create; the
// maps and slices may be shared.
type Config struct {
	Metadata         `json:"metadata"`
	Handler          string            `json:"handler,omitempty"`
	Hostname         string            `json:"hostname,omitempty"` // empty asks for the node's
	LogDirectory     string            `json:"log_directory,omitempty"`
	CgroupParent     string            `json:"cgroup_parent,omitempty"` // empty asks for one of our own
	Labels           map[string]string `json:"labels,omitempty"`
	Annotations      map[string]string `json:"annotations,omitempty"`
	DNS              DNS               `json:"dns,omitzero"`
	PortMappings     []PortMapping     `json:"port_mappings,omitempty"`
	Network          NetworkMode       `json:"network"`
	Sysctls          map[string]string `json:"sysctls,omitempty"`
	Overhead         *cgroup.Resources `json:"overhead,omitempty"`
	Resources        *cgroup.Resources `json:"resources,omitempty"`
	NamespaceOptions NamespaceOptions  `json:"namespace_options,omitzero"`
}

// Resources are what a pod needs: for itself, and for its containers together.
// The cgroup they are set in is the caller's; here they are kept to be shown.
type Resources struct {
	Overhead  *cgroup.Resources `json:"overhead,omitempty"`
	Resources *cgroup.Resources `json:"resources,omitempty"`
}

// Sandbox is one pod's environment as it is now.
type Sandbox struct {
	ID        string `json:"id"` // 64 hexadecimal digits
	Config    `json:"config"`
	State     State     `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	BootID    string    `json:"boot_id"` // a sandbox does not outlive a boot
	// NetNS is where the network namespace is bound; empty on the node's network
	// and once it is gone.
	NetNS string `json:"netns,omitempty"`
	// IPs are the pod's addresses, the primary one first.
	IPs []string `json:"ips,omitempty"`
	// CNI is what the plugins answered, for people to look at.
	CNI json.RawMessage `json:"cni,omitempty"`
	// Resized is what replaces Overhead and Resources of the config since the pod
	// was resized; nil when it never was.
	Resized *Resources `json:"resized,omitempty"`
	// Adopted says that the pod is another runtime's: its network namespace, addresses
	// and end are not ours to make or to take away.
	Adopted bool `json:"adopted,omitempty"`
	// Attachment is how to detach the pod; nil when there is nothing to detach.
	Attachment *network.Attachment `json:"attachment,omitempty"`
}

// clone keeps a config from later changes by the caller.
func (c Config) clone() Config {
	c.Labels, c.Annotations, c.Sysctls = maps.Clone(c.Labels), maps.Clone(c.Annotations), maps.Clone(c.Sysctls)
	c.PortMappings = slices.Clone(c.PortMappings)
	c.DNS = DNS{Servers: slices.Clone(c.DNS.Servers), Searches: slices.Clone(c.DNS.Searches), Options: slices.Clone(c.DNS.Options)}
	return c
}

// sameSandbox says whether two configs ask for the same sandbox. Labels and
// annotations may change on a pod while its caller retries.
func sameSandbox(a, b Config) bool {
	a.Labels, b.Labels, a.Annotations, b.Annotations = nil, nil, nil, nil
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
