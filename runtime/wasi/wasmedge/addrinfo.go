// SPDX-License-Identifier: Apache-2.0

package wasmedge

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
)

// Errors of getaddrinfo, which the extension numbers after preview 1's.
const (
	errAIAgain      = wasi.ENOTCAPABLE + 2
	errAIBadFlag    = wasi.ENOTCAPABLE + 3
	errAIFamily     = wasi.ENOTCAPABLE + 5
	errAINoName     = wasi.ENOTCAPABLE + 8
	errAIService    = wasi.ENOTCAPABLE + 9
	errAISocketType = wasi.ENOTCAPABLE + 10
)

// Flags of getaddrinfo's hints.
const (
	aiPassive = 1 << iota
	aiCanonName
	aiNumericHost
	aiNumericService
	aiV4Mapped
	aiAll
	aiAddrConfig

	aiFlags = aiAddrConfig<<1 - 1
)

// maxResults bounds how many addresses one call answers with.
const maxResults = 64

// request is a call of getaddrinfo.
type request struct {
	node, service          string
	flags                  uint16
	family, kind, protocol uint8

	addrs []netip.Addr
	port  uint16
}

// sockGetaddrinfo resolves a name and a service. The guest brings a list of records, each with room
// for an address, which is filled as far as there are answers.
func sockGetaddrinfo(c guest.Call, a []uint64) wasi.Errno {
	count, errno := c.Bytes(guest.U32(a[7]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	head, errno := c.Bytes(guest.U32(a[5]), 4)
	if errno != wasi.ESUCCESS {
		return errno
	}
	r, errno := newRequest(c, a)
	if errno != wasi.ESUCCESS {
		return errno
	}
	if errno := r.resolve(c.Sys); errno != wasi.ESUCCESS {
		return errno
	}
	n, errno := r.store(c, le.Uint32(head), min(guest.U32(a[6]), maxResults))
	if errno == wasi.ESUCCESS {
		le.PutUint32(count, n)
	}
	return errno
}

func newRequest(c guest.Call, a []uint64) (*request, wasi.Errno) {
	node, errno := c.String(guest.U32(a[0]), guest.U32(a[1]))
	if errno != wasi.ESUCCESS {
		return nil, errno
	}
	service, errno := c.String(guest.U32(a[2]), guest.U32(a[3]))
	if errno != wasi.ESUCCESS {
		return nil, errno
	}
	hints, errno := c.Bytes(guest.U32(a[4]), recordSize)
	if errno != wasi.ESUCCESS {
		return nil, errno
	}
	// Both come with a terminating NUL byte, or without.
	r := &request{
		node: strings.TrimSuffix(node, "\x00"), service: strings.TrimSuffix(service, "\x00"),
		flags: le.Uint16(hints), family: hints[2], kind: hints[3], protocol: hints[4],
	}
	return r, r.check(guest.U32(a[6]))
}

func (r *request) check(maxLen uint32) wasi.Errno {
	switch {
	case r.node == "" && r.service == "":
		return errAINoName
	case maxLen == 0:
		return wasi.EINVAL
	case r.flags&^aiFlags != 0 || (r.flags&aiCanonName != 0 && r.node == ""):
		return errAIBadFlag
	case r.family > uint8(wasi.FamilyInet6):
		return errAIFamily
	case r.kind > sockStream || r.protocol > 2:
		return errAISocketType
	}
	return wasi.ESUCCESS
}

// resolve finds addresses and port.
func (r *request) resolve(s *wasi.System) wasi.Errno {
	if errno := r.resolvePort(s); errno != wasi.ESUCCESS {
		return errno
	}
	if r.node == "" {
		r.addrs = r.wildcard()
		return wasi.ESUCCESS
	}
	if addr, err := netip.ParseAddr(r.node); err == nil {
		if r.family != 0 && familyOf(addr.Unmap()) != wasi.Family(r.family) {
			return errAIFamily
		}
		r.addrs = []netip.Addr{addr}
		return wasi.ESUCCESS
	}
	if r.flags&aiNumericHost != 0 {
		return errAINoName
	}
	addrs, err := s.LookupHost([...]string{"ip", "ip4", "ip6"}[r.family], r.node)
	r.addrs = addrs
	return lookupErrno(err, errAINoName)
}

func (r *request) resolvePort(s *wasi.System) wasi.Errno {
	if r.service == "" {
		return wasi.ESUCCESS
	}
	if port, err := strconv.ParseUint(r.service, 10, 16); err == nil {
		r.port = uint16(port)
		return wasi.ESUCCESS
	}
	if r.flags&aiNumericService != 0 {
		return errAINoName
	}
	network := [...]string{"ip", "udp", "tcp"}[r.kind]
	port, err := s.LookupPort(network, r.service)
	r.port = uint16(port)
	return lookupErrno(err, errAIService)
}

// wildcard is what no node means: any address to bind to, the loopback to connect to.
func (r *request) wildcard() (addrs []netip.Addr) {
	v4, v6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	if r.flags&aiPassive != 0 {
		v4, v6 = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	}
	if r.family != uint8(wasi.FamilyInet6) {
		addrs = append(addrs, v4)
	}
	if r.family != uint8(wasi.FamilyInet4) {
		addrs = append(addrs, v6)
	}
	return addrs
}

// lookupErrno tells a name that does not exist (absent) from a server that does not answer.
func lookupErrno(err error, absent wasi.Errno) wasi.Errno {
	var dns *net.DNSError
	switch {
	case err == nil:
		return wasi.ESUCCESS
	case errors.Is(err, wasi.EINTR):
		return wasi.EINTR
	case errors.As(err, &dns) && (dns.IsTimeout || dns.IsTemporary):
		return errAIAgain
	}
	return absent
}

// Layout of a record (addrinfo) and of the address it points to (sockaddr).
const (
	recordSize   = 28
	recordAddr   = 12
	recordName   = 16
	recordNext   = 24
	sockaddrSize = 12
)

// store fills the guest's list of at most room records and returns how many it filled.
func (r *request) store(c guest.Call, at, room uint32) (n uint32, errno wasi.Errno) {
	for _, addr := range r.addrs {
		if n == room {
			break
		}
		record, errno := c.Bytes(at, recordSize)
		if errno != wasi.ESUCCESS {
			return n, errno
		}
		if errno := r.storeOne(c, record, addr.Unmap()); errno != wasi.ESUCCESS {
			return n, errno
		}
		n++
		next := le.Uint32(record[recordNext:])
		if next == 0 || next == at {
			break // the list is shorter than it was said to be
		}
		at = next
	}
	return n, wasi.ESUCCESS
}

func (r *request) storeOne(c guest.Call, record []byte, addr netip.Addr) wasi.Errno {
	sockaddr, errno := c.Bytes(le.Uint32(record[recordAddr:]), sockaddrSize)
	if errno != wasi.ESUCCESS {
		return errno
	}
	data := sockaddrData(addr, r.port)
	// What the guest says of the room for it is what IPv4 takes, even where there is more.
	room, errno := c.Bytes(le.Uint32(sockaddr[8:]), uint32(len(data)))
	if errno != wasi.ESUCCESS {
		return errno
	}
	copy(room, data)
	le.PutUint32(sockaddr, uint32(familyOf(addr)))
	le.PutUint32(sockaddr[4:], uint32(len(data)))
	le.PutUint16(record, r.flags)
	record[2], record[3] = byte(familyOf(addr)), r.kind
	le.PutUint32(record[4:], uint32(r.protocol))
	le.PutUint32(record[8:], uint32(len(data)+2)) // as the kernel counts: with the family
	return r.storeName(c, record)
}

// storeName stores the canonical name where it was asked for and there is room for it.
func (r *request) storeName(c guest.Call, record []byte) wasi.Errno {
	room := le.Uint32(record[recordName+4:])
	if r.flags&aiCanonName == 0 || uint64(room) <= uint64(len(r.node)) {
		le.PutUint32(record[recordName+4:], 0)
		return wasi.ESUCCESS
	}
	b, errno := c.Bytes(le.Uint32(record[recordName:]), room)
	if errno != wasi.ESUCCESS {
		return errno
	}
	b[copy(b, r.node)] = 0
	le.PutUint32(record[recordName+4:], uint32(len(r.node)))
	return wasi.ESUCCESS
}

// sockaddrData is the kernel's sockaddr without the family: port, then address; in network order.
func sockaddrData(addr netip.Addr, port uint16) []byte {
	data := binary.BigEndian.AppendUint16(nil, port)
	if addr.Is4() {
		return append(append(data, addr.AsSlice()...), make([]byte, 8)...)
	}
	data = append(data, 0, 0, 0, 0) // flow information
	return append(append(data, addr.AsSlice()...), 0, 0, 0, 0)
}
