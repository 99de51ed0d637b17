// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// conn is one client's connection.
type conn struct {
	server        *Server
	net           net.Conn
	in            *bufio.Reader
	out           *bufio.Writer
	local, remote netip.AddrPort
}

func newConn(s *Server, c net.Conn) *conn {
	return &conn{
		server: s, net: c, in: bufio.NewReaderSize(c, maxLine), out: bufio.NewWriter(c),
		local: addrPort(c.LocalAddr()), remote: addrPort(c.RemoteAddr()),
	}
}

// addrPort is a TCP address; IPv4 in its own form even on a socket for both.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// serve answers requests, one after the other, until the client or the server
// has had enough.
func (c *conn) serve(ctx context.Context) {
	defer c.net.Close()
	for c.server.rest(c.net) {
		_, err := c.in.Peek(1)
		if !c.server.wake(c.net) || err != nil {
			return
		}
		if !c.one(ctx) {
			return
		}
	}
}

// one reads and answers one request, and reports whether another may follow.
func (c *conn) one(ctx context.Context) bool {
	q, err := readRequest(c.in)
	if no, refused := errors.AsType[*refusal](err); refused {
		_ = c.net.SetWriteDeadline(time.Now().Add(headTime))
		if decline(c.net, no.status, false, true) == nil {
			c.linger()
		}
		return false
	}
	if err != nil {
		return false // the client has gone, or is too slow
	}
	more := c.answer(ctx, q)
	if !more {
		c.linger()
	}
	return more
}

// linger closes the connection's sending side, and reads a little of what the
// client still sends: to close with data unread would reset the connection and
// take the answer with it.
func (c *conn) linger() {
	half, ok := c.net.(*net.TCPConn)
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.net.SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, c.net, maxUnread)
}

// pause is how long to wait before accepting again: the system's want of
// something will pass, everything else will not.
func pause(err error) time.Duration {
	for _, passing := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPERM,
	} {
		if errors.Is(err, passing) {
			return 50 * time.Millisecond
		}
	}
	return 0
}
