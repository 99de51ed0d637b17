// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"net/netip"
	"sync"
)

// rememberedPeers is how many senders a socket remembers at least; twice as many at most.
const rememberedPeers = 1024

// peers are the addresses that have lately sent to a datagram socket whose guest may answer and not
// more. The latest are in young; when it is full it takes old's place, whose addresses are forgotten.
type peers struct {
	mu         sync.Mutex
	young, old map[netip.AddrPort]struct{}
}

func newPeers() *peers {
	return &peers{
		young: make(map[netip.AddrPort]struct{}, rememberedPeers),
		old:   make(map[netip.AddrPort]struct{}, rememberedPeers),
	}
}

// add remembers a sender.
func (p *peers) add(addr netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.young) == rememberedPeers {
		p.young, p.old = p.old, p.young
		clear(p.young)
	}
	p.young[plain(addr)] = struct{}{}
}

// has says whether the address is that of a sender still remembered.
func (p *peers) has(addr netip.AddrPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	addr = plain(addr)
	_, young := p.young[addr]
	_, old := p.old[addr]
	return young || old
}

// plain makes one of the two ways to write an IPv4 address.
func plain(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
