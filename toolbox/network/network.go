// SPDX-License-Identifier: Apache-2.0

// Package network has the commands of the network: an HTTP server and client, nc, nslookup, netstat.
package network

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/socket"
)

// Commands are the commands of this package.
func Commands() map[string]command.Func {
	return map[string]command.Func{
		"httpd": httpd, "nginx": httpd, "wget": wget, "nc": nc, "nslookup": nslookup, "netstat": netstat,
	}
}

func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%s: not a port", text)
	}
	return uint16(port), nil
}

// listen opens a port, or takes the listener for it that the program was handed: a port that the
// container declares is open before it begins.
func listen(host string, port uint16) (socket.Listener, error) {
	if handed := socket.Inherited(port); len(handed) > 0 {
		for _, other := range handed[1:] { // of another address: one is enough
			_ = other.Close() // which gives it back
		}
		return handed[0], nil
	}
	if host != "" {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return nil, fmt.Errorf("%s: not an address", host)
		}
		return socket.Listen(netip.AddrPortFrom(addr, port))
	}
	// Every address: one socket of IPv6 serves both, where there is IPv6.
	l, err := socket.Listen(netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	if err != nil {
		l, err = socket.Listen(netip.AddrPortFrom(netip.IPv4Unspecified(), port))
	}
	return l, err
}
