// SPDX-License-Identifier: Apache-2.0

//go:build !wasip1

package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

type conn struct{ net.Conn }

func (c conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c conn) Remote() netip.AddrPort {
	addr, _ := netip.ParseAddrPort(c.RemoteAddr().String()) // an address of the Internet always parses
	return addr
}

// Dial connects to an address, of tcp or udp.
func Dial(ctx context.Context, network string, addr netip.AddrPort) (Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr.String())
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

type listener struct{ net.Listener }

func (l listener) Accept() (Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return conn{c}, nil
}

func (l listener) Addr() netip.AddrPort {
	addr, _ := netip.ParseAddrPort(l.Listener.Addr().String()) // as above
	return addr
}

// Listen opens a listener.
func Listen(addr netip.AddrPort) (Listener, error) {
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

// Inherited are the listeners that were handed to the program: none.
func Inherited(uint16) []Listener { return nil }

// Lookup resolves a host's name.
func Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addrs, ok := literal(host); ok {
		return addrs, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		err = ErrNoHost
	}
	return addrs, err
}
