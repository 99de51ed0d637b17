// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// defaultInterface is the name CNI gives a pod's first interface.
const defaultInterface = "eth0"

// networkUsage reads the counters of the interfaces in a network namespace.
func networkUsage(path string) (*runtimeapi.NetworkUsage, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", path, err)
	}
	defer func() { _ = ns.Close() }() // nothing was written
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: netlink: %w", path, err)
	}
	defer h.Close()
	links, err := h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: interfaces: %w", path, err)
	}
	attrs := make([]*netlink.LinkAttrs, 0, len(links))
	for _, l := range links {
		attrs = append(attrs, l.Attrs())
	}
	return interfaceUsage(attrs, time.Now()), nil
}

// interfaceUsage sorts the pod's main interface from the others; the loopback
// is no network.
func interfaceUsage(links []*netlink.LinkAttrs, at time.Time) *runtimeapi.NetworkUsage {
	usage := &runtimeapi.NetworkUsage{Timestamp: at.UnixNano()}
	for _, l := range links {
		if l.Name == "lo" || l.Statistics == nil {
			continue
		}
		one := &runtimeapi.NetworkInterfaceUsage{
			Name:    clean(l.Name, maxName),
			RxBytes: counter(l.Statistics.RxBytes), RxErrors: counter(l.Statistics.RxErrors),
			TxBytes: counter(l.Statistics.TxBytes), TxErrors: counter(l.Statistics.TxErrors),
		}
		if l.Name == defaultInterface {
			usage.DefaultInterface = one
		} else {
			usage.Interfaces = append(usage.Interfaces, one)
		}
	}
	return usage
}
