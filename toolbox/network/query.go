// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/socket"
)

// Waits for a name server.
const (
	dnsTimeout = 5 * time.Second
	dnsTries   = 2
	maxMessage = 64 << 10
)

// nameServer is where a name server is: by address or name.
type nameServer struct {
	host string
	port uint16
}

// parseServer reads HOST, HOST:PORT or [ADDRESS]:PORT.
func parseServer(text string, port uint16) (nameServer, error) {
	if _, err := netip.ParseAddr(text); err == nil {
		return nameServer{text, port}, nil
	}
	host, number, given := text, "", false
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, number, given = text[:i], text[i+1:], true
	}
	if given {
		var err error
		if port, err = parsePort(number); err != nil {
			return nameServer{}, fmt.Errorf("server %.100q: %w", text, err)
		}
	}
	if host = strings.Trim(host, "[]"); host == "" {
		return nameServer{}, fmt.Errorf("server %.100q: not an address", text)
	}
	return nameServer{host, port}, nil
}

func (s nameServer) String() string {
	if addr, err := netip.ParseAddr(s.host); err == nil {
		return netip.AddrPortFrom(addr, s.port).String()
	}
	return fmt.Sprintf("%s:%d", s.host, s.port)
}

// query asks a server over UDP, and again over TCP where the answer is too long for that.
func query(ctx context.Context, server nameServer, name string, kind uint16) ([]record, error) {
	id := uint16(rand.Uint32()) // a guess to be matched, in a network namespace of one's own
	message, err := newQuery(id, name, kind)
	if err != nil {
		return nil, err
	}
	records, err := overUDP(ctx, server, message)
	if errors.Is(err, errTruncated) {
		records, err = overTCP(ctx, server, message)
	}
	switch {
	case err == nil || errors.Is(err, errNoName):
		return records, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errors.New("it does not answer")
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("server %s: %s", server, command.Reason(err))
}

// reach opens a way to a server, that ends with the context.
func reach(ctx context.Context, protocol string, server nameServer) (socket.Conn, func(), error) {
	dialing, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	conn, err := socket.DialAny(dialing, protocol, server.host, server.port)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { stop(); conn.Close() }, nil
}

func overUDP(ctx context.Context, server nameServer, message []byte) ([]record, error) {
	conn, end, err := reach(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer end()
	buf := make([]byte, maxMessage)
	for range dnsTries {
		if _, err = conn.Write(message); err == nil {
			err = conn.SetDeadline(time.Now().Add(dnsTimeout))
		}
		for err == nil {
			var n int
			if n, err = conn.Read(buf); err != nil {
				break
			}
			if records, failed := parseAnswer(buf[:n], message); !errors.Is(failed, errOther) {
				return records, failed
			}
		}
	}
	return nil, err
}

func overTCP(ctx context.Context, server nameServer, message []byte) ([]record, error) {
	conn, end, err := reach(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := conn.SetDeadline(time.Now().Add(dnsTimeout)); err != nil {
		return nil, err
	}
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(message)))
	if _, err := conn.Write(append(framed, message...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	return parseAnswer(answer, message)
}
