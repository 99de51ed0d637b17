// SPDX-License-Identifier: Apache-2.0

// Package faulty is a TCP proxy that misbehaves as networks and middle boxes do: it stalls, ends or resets connections,
// changes bytes, and answers requests with redirects. It knows nothing of what it carries but the redirect's request.
package faulty

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// Action is what happens to what the server sends.
type Action int

// Actions.
const (
	Pass     Action = iota // nothing
	Stall                  // no byte more comes, and the connection stays open
	Truncate               // the connection ends in order
	Reset                  // the connection is reset
	Corrupt                // one bit is another
)

// Fault says what happens on a connection.
type Fault struct {
	Do    Action
	After int64 // bytes from the server that pass before
	Times int   // how many connections that happens to; 0 is all
	// Redirect is the beginning of a URL to which requests whose path contains
	// /blobs/ are redirected; "" passes them on. It is for plain HTTP only.
	Redirect string
}

// Proxy is a listener and the connections made through it.
type Proxy struct {
	listener net.Listener
	dial     func(ctx context.Context) (net.Conn, error)
	fault    Fault
	stop     context.CancelFunc
	wg       sync.WaitGroup
	struck   atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool // nil when closed
}

// Serve takes connections from the listener, which becomes the proxy's, and passes them on to what dial connects to.
func Serve(listener net.Listener, dial func(context.Context) (net.Conn, error), fault Fault) *Proxy {
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{listener: listener, dial: dial, fault: fault, stop: stop, conns: map[net.Conn]bool{}}
	p.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			p.wg.Go(func() { p.serve(ctx, client) })
		}
	})
	return p
}

// Address is what the proxy listens on.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Struck returns how often the fault has happened.
func (p *Proxy) Struck() int { return int(p.struck.Load()) }

// Close ends the proxy with all its connections.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.stop()
	p.mu.Lock()
	for conn := range p.conns {
		conn.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.wg.Wait()
	return err
}

// keep has a connection closed with the proxy; false when that has happened already.
func (p *Proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		conn.Close()
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *Proxy) end(conn net.Conn) {
	conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.end(client)
	if p.fault.Redirect != "" {
		p.serveHTTP(ctx, client)
		return
	}
	server, err := p.dial(ctx)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.end(server)
	var wg sync.WaitGroup
	wg.Go(func() {
		// An error means that one side is gone: there is nobody to tell.
		_, _ = io.Copy(server, client)
		closeWrite(server)
	})
	p.answer(ctx, client, server)
	p.end(client)
	p.end(server)
	wg.Wait()
}

// serveHTTP answers the one request of a connection: itself if it is for a blob, else with what the server says.
func (p *Proxy) serveHTTP(ctx context.Context, client net.Conn) {
	requests := bufio.NewReader(client)
	request, err := http.ReadRequest(requests)
	if err != nil {
		return
	}
	request.Close = true
	if strings.Contains(request.URL.Path, "/blobs/") {
		p.struck.Add(1)
		fmt.Fprintf(client, "HTTP/1.1 307 Temporary Redirect\r\nLocation: %s%s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", p.fault.Redirect, request.URL.Path)
	} else {
		server, err := p.dial(ctx)
		if err != nil || !p.keep(server) {
			return
		}
		defer p.end(server)
		if request.Write(server) != nil {
			return
		}
		_, _ = io.Copy(client, server)
	}
	closeWrite(client)
	// Until the client is done: closing with bytes unread would reset the connection under the answer.
	_, _ = io.Copy(io.Discard, requests)
}

// answer passes on what the server sends, up to the fault.
func (p *Proxy) answer(ctx context.Context, client, server net.Conn) {
	if p.fault.Do == Pass {
		_, _ = io.Copy(client, server)
		return
	}
	if n, err := io.CopyN(client, server, p.fault.After); err != nil || n < p.fault.After {
		return
	}
	first := make([]byte, 1) // the fault happens to this byte: without one it would be none
	if _, err := io.ReadFull(server, first); err != nil {
		return
	}
	act := p.fault.Do
	if n := p.struck.Add(1); p.fault.Times > 0 && n > int64(p.fault.Times) {
		p.struck.Add(-1)
		act = Pass
	}
	switch act {
	case Stall:
		<-ctx.Done()
		return
	case Truncate:
		return
	case Reset:
		if tcp, ok := client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return
	case Corrupt:
		first[0] ^= 1
	case Pass:
	}
	if _, err := client.Write(first); err == nil {
		_, _ = io.Copy(client, server)
	}
}

func closeWrite(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
