// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// gate is a socket between a node and its upstream runtime. It can be shut, as when
// the runtime is killed, and stalled, as when it is stopped.
type gate struct {
	t      *testing.T
	socket string
	target string

	mu          sync.Mutex
	listener    net.Listener
	connections []net.Conn
	stalled     chan struct{} // closed when traffic flows
	served      sync.WaitGroup
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	dir, err := os.MkdirTemp("", "gate") // short: it holds a socket
	must(t, err)
	flowing := make(chan struct{})
	close(flowing)
	g := &gate{t: t, socket: filepath.Join(dir, "s"), target: target, stalled: flowing}
	t.Cleanup(func() {
		g.flow()
		g.shut()
		os.RemoveAll(dir)
	})
	return g
}

// open lets connections in.
func (g *gate) open() {
	g.t.Helper()
	listener, err := net.Listen("unix", g.socket)
	must(g.t, err)
	g.mu.Lock()
	g.listener = listener
	g.mu.Unlock()
	g.served.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			g.served.Go(func() { g.pass(client) })
		}
	})
}

func (g *gate) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", g.target)
	if err != nil {
		g.t.Error(err)
		return
	}
	defer server.Close()
	g.mu.Lock()
	g.connections = append(g.connections, client, server)
	g.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { g.copy(server, client) })
	both.Go(func() { g.copy(client, server) })
	both.Wait()
}

func (g *gate) copy(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		g.mu.Lock()
		flowing := g.stalled
		g.mu.Unlock()
		<-flowing
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// shut ends every connection and lets none in.
func (g *gate) shut() {
	g.mu.Lock()
	if g.listener != nil {
		g.listener.Close()
		g.listener = nil
	}
	for _, c := range g.connections {
		c.Close()
	}
	g.connections = nil
	g.mu.Unlock()
	g.served.Wait()
}

// stall keeps what is sent from arriving, until flow.
func (g *gate) stall() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stalled = make(chan struct{})
}

func (g *gate) flow() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.stalled:
	default:
		close(g.stalled)
	}
}
