// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"github.com/vishvananda/netlink"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// networkFamilies are the metrics of a pod's network, one sample per interface.
var networkFamilies = []family[[]*netlink.LinkAttrs]{
	perInterface("container_network_receive_bytes_total", "Bytes received.",
		func(s *netlink.LinkStatistics) uint64 { return s.RxBytes }),
	perInterface("container_network_receive_packets_total", "Packets received.",
		func(s *netlink.LinkStatistics) uint64 { return s.RxPackets }),
	perInterface("container_network_receive_packets_dropped_total", "Packets dropped that were to be received.",
		func(s *netlink.LinkStatistics) uint64 { return s.RxDropped }),
	perInterface("container_network_receive_errors_total", "Errors in receiving.",
		func(s *netlink.LinkStatistics) uint64 { return s.RxErrors }),
	perInterface("container_network_transmit_bytes_total", "Bytes sent.",
		func(s *netlink.LinkStatistics) uint64 { return s.TxBytes }),
	perInterface("container_network_transmit_packets_total", "Packets sent.",
		func(s *netlink.LinkStatistics) uint64 { return s.TxPackets }),
	perInterface("container_network_transmit_packets_dropped_total", "Packets dropped that were to be sent.",
		func(s *netlink.LinkStatistics) uint64 { return s.TxDropped }),
	perInterface("container_network_transmit_errors_total", "Errors in sending.",
		func(s *netlink.LinkStatistics) uint64 { return s.TxErrors }),
}

func perInterface(name, help string, value func(*netlink.LinkStatistics) uint64) family[[]*netlink.LinkAttrs] {
	return family[[]*netlink.LinkAttrs]{
		name: name, help: help, kind: runtimeapi.MetricType_COUNTER, labels: []string{"interface"},
		samples: func(links []*netlink.LinkAttrs) []sample {
			var list []sample
			for _, l := range links {
				list = append(list, sample{[]string{clean(l.Name, maxName)}, value(l.Statistics)})
			}
			return list
		},
	}
}
