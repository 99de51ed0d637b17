// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// defaultInterface is the name CNI gives a pod's first interface.
const defaultInterface = "eth0"

// networkInterfaces reads the interfaces in a network namespace and their
// counters. The loopback is no network.
func networkInterfaces(path string) ([]*netlink.LinkAttrs, error) {
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
		if a := l.Attrs(); a.Name != "lo" && a.Statistics != nil {
			attrs = append(attrs, a)
		}
	}
	return attrs, nil
}

// interfaceUsage sorts the pod's main interface from the others. Without any it
// is nil: the kubelet relies on there being a main one.
func interfaceUsage(links []*netlink.LinkAttrs, at time.Time) *runtimeapi.NetworkUsage {
	if len(links) == 0 {
		return nil
	}
	main := max(0, slices.IndexFunc(links, func(l *netlink.LinkAttrs) bool { return l.Name == defaultInterface }))
	usage := &runtimeapi.NetworkUsage{Timestamp: at.UnixNano()}
	for i, l := range links {
		one := &runtimeapi.NetworkInterfaceUsage{
			Name:    clean(l.Name, maxName),
			RxBytes: counter(l.Statistics.RxBytes), RxErrors: counter(l.Statistics.RxErrors),
			TxBytes: counter(l.Statistics.TxBytes), TxErrors: counter(l.Statistics.TxErrors),
		}
		if i == main {
			usage.DefaultInterface = one
		} else {
			usage.Interfaces = append(usage.Interfaces, one)
		}
	}
	return usage
}
