// SPDX-License-Identifier: Apache-2.0

package wasmedge_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

const (
	atNode, atService, atHints = 0x300, 0x380, 0x3c0
	atList                     = 0x2000 // the records, 0x100 apart
)

// records lays out a guest's list: each record with room for an address and a name.
func records(c *wasitest.Caller, n int) {
	le := binary.LittleEndian
	clear(c.Mem[atList : atList+0x100*n])
	for i := range n {
		at := uint32(atList + 0x100*i)
		le.PutUint32(c.Mem[at+12:], at+0x40) // sockaddr
		le.PutUint32(c.Mem[at+0x48:], at+0x60)
		le.PutUint32(c.Mem[at+0x44:], 14)
		le.PutUint32(c.Mem[at+16:], at+0x80) // name
		le.PutUint32(c.Mem[at+20:], 30)
		if i+1 < n {
			le.PutUint32(c.Mem[at+24:], at+0x100)
		}
	}
	le.PutUint32(c.Mem[atResult:], atList)
}

// answer reads the first n records.
func answer(c *wasitest.Caller, n uint32) (list []netip.AddrPort) {
	for i := range n {
		b := c.Mem[atList+0x100*i:]
		port, data := binary.BigEndian.Uint16(b[0x60:]), b[0x62:0x66]
		if b[0x40] == inet6 {
			data = b[0x66:0x76]
		}
		addr, _ := netip.AddrFromSlice(data)
		list = append(list, netip.AddrPortFrom(addr, port))
	}
	return list
}

type lookup struct {
	node, service string
	flags         uint16
	family, kind  byte
	room          int
}

func (l lookup) call(c *wasitest.Caller) (wasi.Errno, error) {
	clear(c.Mem[atHints : atHints+28])
	binary.LittleEndian.PutUint16(c.Mem[atHints:], l.flags)
	c.Mem[atHints+2], c.Mem[atHints+3] = l.family, l.kind
	records(c, l.room)
	return c.Call(fn("sock_getaddrinfo"), c.Put(atNode, []byte(l.node)), uint64(len(l.node)),
		c.Put(atService, []byte(l.service)), uint64(len(l.service)), atHints, atResult, uint64(l.room), atResult2)
}

func TestNamesAreResolved(t *testing.T) {
	c, _ := caller(t, version1)
	for name, s := range map[string]struct {
		lookup
		want []string
	}{
		"address and port":       {lookup{"192.0.2.1", "8080", 0, inet4, stream, 2}, []string{"192.0.2.1:8080"}},
		"with NUL bytes":         {lookup{"192.0.2.1\x00", "80\x00", 0, 0, 0, 2}, []string{"192.0.2.1:80"}},
		"IPv6":                   {lookup{"2001:db8::1", "", 0, 0, datagram, 2}, []string{"[2001:db8::1]:0"}},
		"a name of /etc/hosts":   {lookup{"localhost", "https", 0, inet4, stream, 1}, []string{"127.0.0.1:443"}},
		"to bind to":             {lookup{"", "80", 1, 0, stream, 4}, []string{"0.0.0.0:80", "[::]:80"}},
		"to connect to, no room": {lookup{"", "80", 0, 0, stream, 1}, []string{"127.0.0.1:80"}},
	} {
		errno, err := s.call(c)
		var got []string
		for _, a := range answer(c, c.U32(atResult2)) {
			got = append(got, a.String())
		}
		if errno != wasi.ESUCCESS || err != nil || !slices.Equal(got, s.want) {
			t.Errorf("%s: %v, %v, %v, want %v", name, got, errno, err, s.want)
		}
	}
	const canonical = 2
	if errno, _ := (lookup{"127.0.0.1", "", canonical, inet4, stream, 1}).call(c); errno != wasi.ESUCCESS {
		t.Error(errno)
	}
	if n, got := c.U32(atList+20), string(c.Mem[atList+0x80:atList+0x8a]); n != 9 || got != "127.0.0.1\x00" {
		t.Errorf("canonical name %q of %d bytes", got, n)
	}
}

func TestLookupsThatCannotBe(t *testing.T) {
	const ai = wasi.ENOTCAPABLE // getaddrinfo's own errors follow
	c, _ := caller(t, version1)
	for name, s := range map[string]struct {
		lookup
		want wasi.Errno
	}{
		"neither node nor service":    {lookup{"", "", 0, 0, 0, 1}, ai + 8},
		"no room":                     {lookup{"127.0.0.1", "", 0, 0, 0, 0}, wasi.EINVAL},
		"unknown flag":                {lookup{"127.0.0.1", "", 0x80, 0, 0, 1}, ai + 3},
		"a canonical name of nothing": {lookup{"", "80", 2, 0, 0, 1}, ai + 3},
		"unknown family":              {lookup{"127.0.0.1", "", 0, 3, 0, 1}, ai + 5},
		"address of another family":   {lookup{"127.0.0.1", "", 0, inet6, 0, 1}, ai + 5},
		"unknown type":                {lookup{"127.0.0.1", "", 0, 0, 3, 1}, ai + 10},
		"a name where only a number":  {lookup{"localhost", "", 4, 0, 0, 1}, ai + 8},
		"service only a number":       {lookup{"127.0.0.1", "http", 8, 0, 0, 1}, ai + 8},
		"unknown service":             {lookup{"127.0.0.1", "no-such", 0, 0, stream, 1}, ai + 9},
	} {
		if errno, err := s.call(c); errno != s.want || err != nil {
			t.Errorf("%s: %d, %v, want %d", name, errno, err, s.want)
		}
	}
	records(c, 2)
	c.Put(atNode, []byte("::1"))
	clear(c.Mem[atHints : atHints+28])
	binary.LittleEndian.PutUint32(c.Mem[atList+12:], outside) // its first address
	c.Expect(wasi.EFAULT, fn("sock_getaddrinfo"), atNode, 3, 0, 0, atHints, atResult, 2, atResult2)
	records(c, 2)
	binary.LittleEndian.PutUint32(c.Mem[atList+0x48:], outside) // room for it
	c.Expect(wasi.EFAULT, fn("sock_getaddrinfo"), atNode, 3, 0, 0, atHints, atResult, 2, atResult2)
	binary.LittleEndian.PutUint32(c.Mem[atResult:], outside)
	c.Expect(wasi.EFAULT, fn("sock_getaddrinfo"), atNode, 3, 0, 0, atHints, atResult, 2, atResult2)
	c.Expect(wasi.EFAULT, fn("sock_getaddrinfo"), atNode, 3, 0, 0, outside, atResult, 2, atResult2)
	c.Expect(wasi.EFAULT, fn("sock_getaddrinfo"), outside, 3, 0, 0, atHints, atResult, 2, atResult2)
}
