// SPDX-License-Identifier: Apache-2.0

// Package network has the commands of the network: an HTTP server and client, nc, nslookup, netstat.
package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

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
func listen(c *command.Call, host string, port uint16) (socket.Listener, error) {
	for _, l := range socket.Inherited(c.Env) {
		if l.Addr().Port() == port {
			return l, nil
		}
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

// nc connects two streams: HOST PORT, or -l -p PORT for one client. -z only tries, -u is UDP, -w
// bounds the connecting and idle time.
func nc(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("l p: z v u w: n N q: s: k")
	if err == nil && o.Has("k") {
		err = errors.New("-k is not supported")
	}
	if err != nil {
		return c.Usage(err)
	}
	wait, err := command.ParseDuration(cmp.Or(o.Value("w", ""), "inf"))
	if err != nil {
		return c.Usage(err)
	}
	if o.Has("l") {
		return ncListen(ctx, c, o, args)
	}
	if len(args) != 2 {
		return c.Usage(errors.New("HOST and PORT, or -l -p PORT"))
	}
	port, err := parsePort(args[1])
	if err != nil {
		return c.Usage(err)
	}
	network := "tcp"
	if o.Has("u") {
		network = "udp"
	}
	dialing, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := socket.DialAny(dialing, network, args[0], port)
	if err != nil {
		return c.Errorf("%s port %d: %s", args[0], port, command.Reason(err))
	}
	if o.Has("v") {
		fmt.Fprintf(c.Stderr, "%s (%s) open\n", args[0], conn.Remote())
	}
	if o.Has("z") {
		return closing(c, conn, nil)
	}
	return closing(c, conn, exchange(c, conn, wait))
}

func ncListen(_ context.Context, c *command.Call, o command.Options, args []string) int {
	text := o.Value("p", "")
	if text == "" && len(args) > 0 {
		text = args[len(args)-1]
	}
	port, err := parsePort(text)
	if err == nil && o.Has("u") {
		err = errors.New("-l -u: listening is for TCP alone")
	}
	if err != nil {
		return c.Usage(err)
	}
	l, err := listen(c, o.Value("s", ""), port)
	if err != nil {
		return c.Errorf("port %d: %s", port, command.Reason(err))
	}
	conn, err := l.Accept()
	if err = errors.Join(err, l.Close()); err != nil {
		return c.Errorf("port %d: %s", port, command.Reason(err))
	}
	return closing(c, conn, exchange(c, conn, 1<<62))
}

func closing(c *command.Call, conn socket.Conn, err error) int {
	if err = errors.Join(err, conn.Close()); err != nil {
		return c.Errorf("%s", command.Reason(err))
	}
	return 0
}

// exchange copies both ways until the other side has no more to say. What is written after that
// nobody would read.
func exchange(c *command.Call, conn socket.Conn, idle time.Duration) error {
	go func() {
		// How it ended, the other direction shows.
		_, _ = io.Copy(conn, c.Stdin)
		_ = conn.CloseWrite()
	}()
	buf := make([]byte, 32<<10)
	for {
		if idle < 1<<61 {
			if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
				return err
			}
		}
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := c.Stdout.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
