// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"net/netip"
	"testing"
)

func TestTheLatestPeersAreRemembered(t *testing.T) {
	p := newPeers()
	peer := func(port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(port))
	}
	const many = 5 * rememberedPeers
	for port := range many {
		p.add(peer(port))
		p.add(peer(many)) // one that never stops
		if known := len(p.young) + len(p.old); known > 2*rememberedPeers {
			t.Fatalf("%d peers are remembered", known)
		}
	}
	for port := range many + 1 {
		if recent := port > many-rememberedPeers; recent && !p.has(peer(port)) {
			t.Fatalf("peer %d of %d is forgotten", port, many)
		}
	}
	if p.has(peer(0)) {
		t.Error("the first of all is remembered")
	}
	mapped := netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.1"), uint16(many))
	if !p.has(mapped) || p.has(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), uint16(many))) {
		t.Error("an address is taken for another")
	}
}
