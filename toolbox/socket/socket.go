// SPDX-License-Identifier: Apache-2.0

// Package socket opens connections and listeners. Go's package net cannot under WASI: preview 1 has
// no call for it, and the sockets extension that runtimes such as this one serve is unknown to it.
// The program uses that extension; tests, which run on the machine itself, use net.
package socket

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"
)

// Conn is a connection.
type Conn interface {
	io.ReadWriteCloser
	// CloseWrite tells the other side that nothing more comes.
	CloseWrite() error
	SetDeadline(t time.Time) error
	// Remote is the other side's address.
	Remote() netip.AddrPort
}

// Listener accepts connections, of TCP.
type Listener interface {
	Accept() (Conn, error)
	Addr() netip.AddrPort
	Close() error
}

// ErrNoHost says that a name stands for no address.
var ErrNoHost = errors.New("name does not resolve")

// DialAny connects to the first of a host's addresses that answers, of tcp or udp.
func DialAny(ctx context.Context, network, host string, port uint16) (Conn, error) {
	addrs, err := Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, addr := range addrs {
		conn, err := Dial(ctx, network, netip.AddrPortFrom(addr, port))
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return nil, ErrNoHost
	}
	return nil, failures[0]
}

// literal is an address that needs no resolving.
func literal(host string) ([]netip.Addr, bool) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil, false
	}
	return []netip.Addr{addr.Unmap()}, true
}
