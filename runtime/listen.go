// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

const (
	// portsAnnotation is where the kubelet passes a container's declared ports.
	portsAnnotation = "io.kubernetes.container.ports"
	// listenAnnotation replaces what the declared ports mean, for all of a pod's
	// containers, or for one: wazelet.dev/listen.NAME.
	listenAnnotation = "wazelet.dev/listen"
	// networkAnnotation set to "none" takes outbound access from a pod: its
	// guests may only answer.
	networkAnnotation = "wazelet.dev/network"
	// none turns listeners, or the network, off.
	none = "none"
	// maxListeners bounds how many sockets one container is handed.
	maxListeners = 64
)

// listeners decides which sockets a container is born with. Its own annotation
// speaks first, then its pod's, then the ports it declares.
func listeners(c Config, pod map[string]string) ([]spec.Listener, error) {
	for _, said := range []map[string]string{c.Annotations, pod} {
		for _, key := range []string{listenAnnotation + "." + c.Name, listenAnnotation} {
			if value, ok := said[key]; ok {
				list, err := parseListen(value)
				if err != nil {
					return nil, fmt.Errorf("container %s: annotation %s: %w", c.Name, key, err)
				}
				return list, nil
			}
		}
	}
	return declaredPorts(c)
}

// noDialing says whether a pod's guests may open sockets of their own.
func noDialing(pod map[string]string) (bool, error) {
	switch value := pod[networkAnnotation]; value {
	case none:
		return true, nil
	case "":
		return false, nil
	default:
		return false, fmt.Errorf("annotation %s: %q: want \"none\" or no annotation: %w", networkAnnotation, value, errdefs.ErrInvalidArgument)
	}
}

// declaredPorts turns a container's TCP ports into listeners: a guest that
// declares a port wants to be reached there, and cannot open it itself.
func declaredPorts(c Config) ([]spec.Listener, error) {
	raw, ok := c.Annotations[portsAnnotation]
	if !ok {
		return nil, nil
	}
	var ports []struct {
		Name          string `json:"name"`
		ContainerPort uint16 `json:"containerPort"`
		Protocol      string `json:"protocol"`
	}
	if err := json.Unmarshal([]byte(raw), &ports); err != nil {
		return nil, fmt.Errorf("container %s: annotation %s: %w: %w", c.Name, portsAnnotation, err, errdefs.ErrInvalidArgument)
	}
	var list []spec.Listener
	for _, p := range ports {
		if p.Protocol != "" && p.Protocol != "TCP" || p.ContainerPort == 0 {
			continue
		}
		address := ":" + strconv.Itoa(int(p.ContainerPort))
		list = append(list, spec.Listener{Name: p.Name, Network: "tcp", Address: address})
	}
	return bounded(list)
}

// parseListen reads the annotation: "none", or addresses separated by commas,
// each as [NAME=][tcp://|udp://]ADDRESS:PORT, where an empty ADDRESS is all of
// the pod's and the protocol is tcp when not given.
func parseListen(value string) ([]spec.Listener, error) {
	value = strings.TrimSpace(value)
	if value == none || value == "" {
		return nil, nil
	}
	var list []spec.Listener
	for item := range strings.SplitSeq(value, ",") {
		l, err := ParseListener(item)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
		if len(list) > maxListeners {
			break
		}
	}
	return bounded(list)
}

// ParseListener reads one listener as the annotation wazelet.dev/listen and
// `wazelet run --listen` write it: [NAME=][tcp://|udp://]ADDRESS:PORT. The
// error is ErrInvalidArgument.
func ParseListener(item string) (spec.Listener, error) {
	l := spec.Listener{Network: "tcp", Address: strings.TrimSpace(item)}
	if name, rest, named := strings.Cut(l.Address, "="); named {
		l.Name, l.Address = name, rest
	}
	if network, rest, found := strings.Cut(l.Address, "://"); found {
		l.Network, l.Address = network, rest
	}
	refuse := func(why string) (spec.Listener, error) {
		return spec.Listener{}, fmt.Errorf("listener %q: %s: %w", item, why, errdefs.ErrInvalidArgument)
	}
	if l.Network != "tcp" && l.Network != "udp" {
		return refuse("the protocol must be tcp or udp")
	}
	if strings.ContainsFunc(l.Name, func(r rune) bool { return r == ':' || r <= ' ' || r > '~' }) || len(l.Name) > 255 {
		return refuse("a name has letters, digits and punctuation but no colon")
	}
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return refuse("want ADDRESS:PORT or :PORT")
	}
	if host != "" {
		if _, err := netip.ParseAddr(host); err != nil {
			return refuse("the address must be an IP address")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return refuse("the port must be 1 to 65535")
	}
	return l, nil
}

func bounded(list []spec.Listener) ([]spec.Listener, error) {
	if len(list) > maxListeners {
		return nil, fmt.Errorf("more than %d listeners: %w", maxListeners, errdefs.ErrInvalidArgument)
	}
	return list, nil
}
