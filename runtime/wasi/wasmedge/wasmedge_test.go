// SPDX-License-Identifier: Apache-2.0

package wasmedge_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
	"github.com/wazelet/wazelet/runtime/wasi/wasmedge"
)

// both versions import these alike.
var common = map[string]string{
	"sock_open": "iii", "sock_bind": "iii", "sock_listen": "ii", "sock_connect": "iii",
	"sock_recv": "iiiiii", "sock_send": "iiiii", "sock_send_to": "iiiiiii", "sock_shutdown": "ii",
	"sock_getsockopt": "iiiii", "sock_setsockopt": "iiiii", "sock_getaddrinfo": "iiiiiiii",
	"fd_close": "i", "fd_fdstat_set_flags": "ii", "poll_oneoff": "iiii",
}

var (
	version1 = map[string]string{
		"sock_accept": "ii", "sock_recv_from": "iiiiiii",
		"sock_getlocaladdr": "iiii", "sock_getpeeraddr": "iiii",
	}
	version2 = map[string]string{
		"sock_accept": "iii", "sock_recv_from": "iiiiiiii",
		"sock_getlocaladdr": "iii", "sock_getpeeraddr": "iii",
	}
	suffixed = map[string]string{
		"sock_open_v2": "iii", "sock_bind_v2": "iii", "sock_listen_v2": "ii", "sock_accept_v2": "iii",
		"sock_recv_v2": "iiiiii", "sock_send_v2": "iiiii", "sock_recv_from_v2": "iiiiiiii",
		"sock_getlocaladdr_v2": "iii", "sock_getpeeraddr_v2": "iii",
	}
)

// caller is a guest that imports the functions common to both versions and these.
func caller(tb testing.TB, versions ...map[string]string) (*wasitest.Caller, *wasi.System) {
	tb.Helper()
	return callerWith(tb, wasi.Options{}, versions...)
}

func callerWith(tb testing.TB, o wasi.Options, versions ...map[string]string) (*wasitest.Caller, *wasi.System) {
	tb.Helper()
	var imports []wasitest.Import
	for _, funcs := range append(versions, common) {
		for name, params := range funcs {
			imports = append(imports, wasitest.Import{Module: preview1.ModuleName, Name: name, Params: params})
		}
	}
	s := wasitest.New(tb, o)
	c := wasitest.NewCaller(tb, imports, func(ctx context.Context, r wazero.Runtime) error {
		compiled, err := r.CompileModule(ctx, wasitest.Assemble(imports))
		if err != nil {
			return err
		}
		return preview1.Instantiate(ctx, r, s, wasmedge.Extension(compiled.ImportedFunctions())...)
	})
	return c, s
}

func fn(name string) string { return preview1.ModuleName + "." + name }

// Where the tests put things.
const (
	atResult  = 0x40
	atResult2 = 0x48
	atResult3 = 0x50
	atResult4 = 0x58
	atBuffer  = 0x80 // {pointer, length} of an address
	atIovs    = 0x100
	atAddr    = 0x200
	atData    = 0x1000

	inet4, inet6     = 1, 2
	datagram, stream = 1, 2
)

func u16(c *wasitest.Caller, at int) uint16 { return binary.LittleEndian.Uint16(c.Mem[at:]) }

// address describes a buffer that holds these bytes and returns where it is described.
func address(c *wasitest.Caller, b []byte) uint64 {
	clear(c.Mem[atAddr : atAddr+128])
	c.Put(atAddr, b)
	return c.PutVectors(atBuffer, [2]uint32{atAddr, uint32(len(b))})
}

// inFront is an address with its family in front, as version 2 has it.
func inFront(family byte, ip net.IP) []byte {
	return append(append([]byte{family, 0}, ip...), make([]byte, 126-len(ip))...)
}

func open(tb testing.TB, c *wasitest.Caller, family, kind uint64) uint64 {
	tb.Helper()
	c.Expect(wasi.ESUCCESS, fn("sock_open"), family, kind, atResult)
	return uint64(c.U32(atResult))
}

func echo(t *testing.T) *net.TCPAddr {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	go func() {
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return // closed: the test never connected
		}
		if _, err := io.Copy(conn, conn); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	}()
	return ln.Addr().(*net.TCPAddr)
}

func TestGuestsDialOut(t *testing.T) {
	localhost := net.IPv4(127, 0, 0, 1).To4()
	for name, version := range map[string]map[string]string{"1": version1, "2": version2} {
		for form, addr := range map[string][]byte{"bare": localhost, "with family": inFront(inet4, localhost)} {
			t.Run("version "+name+" "+form, func(t *testing.T) {
				server := echo(t)
				c, _ := caller(t, version)
				fd := open(t, c, inet4, stream)
				c.Expect(wasi.ESUCCESS, fn("sock_connect"), fd, address(c, addr), uint64(server.Port))
				c.Put(atData, []byte("there and back"))
				c.PutVectors(atIovs, [2]uint32{atData, 14})
				c.Expect(wasi.ESUCCESS, fn("sock_send"), fd, atIovs, 1, 0, atResult)
				clear(c.Mem[atData : atData+14])
				c.Expect(wasi.ESUCCESS, fn("sock_recv"), fd, atIovs, 1, 2, atResult, atResult2)
				if got := string(c.Mem[atData : atData+14]); got != "there and back" {
					t.Errorf("received %q", got)
				}
				checkPeer(t, c, name == "1", fd, server.Port)
				c.Expect(wasi.ESUCCESS, fn("sock_shutdown"), fd, 2)
				c.Expect(wasi.ESUCCESS, fn("fd_close"), fd)
			})
		}
	}
}

func checkPeer(t *testing.T, c *wasitest.Caller, v1 bool, fd uint64, port int) {
	t.Helper()
	if v1 {
		c.Expect(wasi.ESUCCESS, fn("sock_getpeeraddr"), fd, address(c, make([]byte, 16)), atResult, atResult2)
		if kind := c.U32(atResult); kind != 4 || c.U32(atResult2) != uint32(port) || c.Mem[atAddr] != 127 {
			t.Errorf("peer: type %d, port %d, address %v", kind, c.U32(atResult2), c.Mem[atAddr:atAddr+4])
		}
		return
	}
	c.Expect(wasi.ESUCCESS, fn("sock_getpeeraddr"), fd, address(c, make([]byte, 128)), atResult2)
	if family := u16(c, atAddr); family != inet4 || c.U32(atResult2) != uint32(port) || c.Mem[atAddr+2] != 127 {
		t.Errorf("peer: family %d, port %d, address %v", family, c.U32(atResult2), c.Mem[atAddr:atAddr+6])
	}
}

func TestGuestsServe(t *testing.T) {
	for name, funcs := range map[string]map[string]string{"1": version1, "2": version2} {
		t.Run("version "+name, func(t *testing.T) {
			c, s := caller(t, funcs)
			fd := open(t, c, inet4, stream)
			c.Put(atData, []byte{1, 0, 0, 0})
			c.Expect(wasi.ESUCCESS, fn("sock_setsockopt"), fd, 0, 0, atData, 4)
			c.Expect(wasi.ESUCCESS, fn("sock_bind"), fd, address(c, []byte{127, 0, 0, 1}), 0)
			c.Expect(wasi.ESUCCESS, fn("sock_listen"), fd, 16)
			local := []uint64{fd, address(c, make([]byte, 128)), atResult2}
			accept := []uint64{fd, 0, atResult3}
			if name == "1" {
				local = []uint64{fd, address(c, make([]byte, 4)), atResult, atResult2}
				accept = []uint64{fd, atResult3}
			}
			c.Expect(wasi.ESUCCESS, fn("sock_getlocaladdr"), local...)
			port := int(c.U32(atResult2))
			done := make(chan wasi.Errno)
			go func() {
				errno, _ := c.Call(fn("sock_accept"), accept...)
				done <- errno
			}()
			wasitest.AwaitSleep(t, s)
			conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if errno := <-done; errno != wasi.ESUCCESS {
				t.Fatal(errno)
			}
			c.Put(atData, []byte("hello"))
			c.PutVectors(atIovs, [2]uint32{atData, 5})
			c.Expect(wasi.ESUCCESS, fn("sock_send"), uint64(c.U32(atResult3)), atIovs, 1, 0, atResult)
			got := make([]byte, 5)
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
				t.Errorf("client read %q, %v", got, err)
			}
		})
	}
}

func TestDatagramsCarryTheirSender(t *testing.T) {
	peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	port := peer.LocalAddr().(*net.UDPAddr).Port
	for name, funcs := range map[string]map[string]string{"1": version1, "2": version2} {
		t.Run("version "+name, func(t *testing.T) {
			c, _ := caller(t, funcs)
			fd := open(t, c, inet4, datagram)
			c.Put(atData, []byte("ping"))
			c.PutVectors(atIovs, [2]uint32{atData, 4})
			c.Expect(wasi.ESUCCESS, fn("sock_send_to"), fd, atIovs, 1, address(c, []byte{127, 0, 0, 1}), uint64(port), 0, atResult)
			buf := make([]byte, 100)
			n, from, err := peer.ReadFromUDP(buf)
			if err != nil || string(buf[:n]) != "ping" {
				t.Fatalf("peer read %q, %v", buf[:n], err)
			}
			if _, err := peer.WriteToUDP([]byte("a longer answer"), from); err != nil {
				t.Fatal(err)
			}
			args := []uint64{fd, atIovs, 1, address(c, make([]byte, 128)), 0, atResult4, atResult, atResult2}
			if name == "1" {
				args = []uint64{fd, atIovs, 1, address(c, make([]byte, 16)), 0, atResult, atResult2}
			}
			c.Expect(wasi.ESUCCESS, fn("sock_recv_from"), args...)
			if n, flags := c.U32(atResult), u16(c, atResult2); n != 4 || flags != 1 || string(c.Mem[atData:atData+4]) != "a lo" {
				t.Errorf("%d bytes, flags %d, %q", n, flags, c.Mem[atData:atData+4])
			}
			if name == "1" {
				if c.Mem[atAddr] != 127 {
					t.Errorf("sender %v", c.Mem[atAddr:atAddr+4])
				}
			} else if u16(c, atAddr) != inet4 || c.Mem[atAddr+2] != 127 || u16(c, atResult4) != uint16(port) {
				t.Errorf("sender %v, port %d", c.Mem[atAddr:atAddr+6], u16(c, atResult4))
			}
		})
	}
}

// TestAGuestMayOnlyAnswer sends datagrams to who has sent one, and to nobody else.
func TestAGuestMayOnlyAnswer(t *testing.T) {
	var conns [3]*net.UDPConn // the guest's, its peer's and a stranger's
	for i := range conns {
		var err error
		if conns[i], err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conns[i].Close() }()
	}
	file, err := conns[0].File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	c, _ := callerWith(t, wasi.Options{Listeners: []wasi.Listener{{FD: int(file.Fd())}}, AnswersOnly: true}, version2)
	const fd = 3
	c.Expect(wasi.ESUCCESS, fn("fd_fdstat_set_flags"), fd, 0) // it waits
	c.PutVectors(atIovs, [2]uint32{atData, 4})
	send := func(want wasi.Errno, to *net.UDPConn) {
		t.Helper()
		port := uint64(to.LocalAddr().(*net.UDPAddr).Port)
		c.Expect(want, fn("sock_send_to"), fd, atIovs, 1, address(c, []byte{127, 0, 0, 1}), port, 0, atResult)
	}
	send(wasi.EACCES, conns[1])
	if _, err := conns[1].WriteTo([]byte("ping"), conns[0].LocalAddr()); err != nil {
		t.Fatal(err)
	}
	c.Expect(wasi.ESUCCESS, fn("sock_recv_from"), fd, atIovs, 1, address(c, make([]byte, 128)), 0, atResult4, atResult, atResult2)
	send(wasi.ESUCCESS, conns[1])
	buf := make([]byte, 8)
	if n, from, err := conns[1].ReadFrom(buf); err != nil || string(buf[:n]) != "ping" || from.String() != conns[0].LocalAddr().String() {
		t.Errorf("the answer is %q of %v, %v", buf[:n], from, err)
	}
	send(wasi.EACCES, conns[2])
}

func TestFunctionsWithSuffix(t *testing.T) {
	c, _ := caller(t, version1, suffixed)
	c.Expect(wasi.ESUCCESS, fn("sock_open_v2"), inet6, datagram, atResult)
	fd := uint64(c.U32(atResult))
	c.Expect(wasi.ESUCCESS, fn("sock_bind_v2"), fd, address(c, inFront(inet6, net.IPv6loopback)), 0)
	c.Expect(wasi.ESUCCESS, fn("sock_getlocaladdr_v2"), fd, address(c, make([]byte, 128)), atResult)
	port := uint64(c.U32(atResult))
	c.Expect(wasi.ESUCCESS, fn("sock_connect"), fd, address(c, net.IPv6loopback), port)
	c.Put(atData, []byte("self"))
	c.PutVectors(atIovs, [2]uint32{atData, 4})
	c.Expect(wasi.ESUCCESS, fn("sock_send_v2"), fd, atIovs, 1, 0, atResult)
	c.Expect(wasi.ESUCCESS, fn("sock_recv_from_v2"), fd, atIovs, 1, address(c, make([]byte, 128)), 0, atResult4, atResult, atResult2)
	if u16(c, atAddr) != inet6 || c.Mem[atAddr+17] != 1 || uint64(u16(c, atResult4)) != port {
		t.Errorf("sender %v, port %d", c.Mem[atAddr:atAddr+18], u16(c, atResult4))
	}
	c.Expect(wasi.ENOTSUP, fn("sock_listen_v2"), fd, 1) // a datagram socket
}
