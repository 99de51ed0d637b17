// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// resolver looks names up for the guest with the container's /etc/hosts, /etc/resolv.conf and
// /etc/services. Go's own resolver reads those; the C library's would need cgo.
var resolver = &net.Resolver{PreferGo: true}

// LookupHost finds the addresses of a name ("ip", "ip4" or "ip6" says which). EINTR: the guest is to
// end. A name that does not exist and a server that does not answer are errors of package net.
func (s *System) LookupHost(network, name string) (addrs []netip.Addr, err error) {
	ended := s.Await(func(ctx context.Context) {
		addrs, err = resolver.LookupNetIP(ctx, network, name)
	})
	return addrs, errors.Join(errnoErr(ended), err)
}

// LookupPort finds the port of a service ("tcp", "udp" or, for either, "ip").
func (s *System) LookupPort(network, service string) (port int, err error) {
	ended := s.Await(func(ctx context.Context) {
		port, err = resolver.LookupPort(ctx, network, service)
	})
	return port, errors.Join(errnoErr(ended), err)
}

// Await runs do in a goroutine of its own while the guest's thread waits for it, as for what Go's
// libraries do. EINTR: the guest is to end, and do has ended for its context's end.
func (s *System) Await(do func(context.Context)) Errno {
	s.Collect()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return s.beside(func() { do(ctx) }, func() bool {
		cancel()
		return true
	})
}
