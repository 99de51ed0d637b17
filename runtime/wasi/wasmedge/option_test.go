// SPDX-License-Identifier: Apache-2.0

package wasmedge_test

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

const (
	soType, soError, soSndbuf, soKeepalive, soRcvtimeo, soAcceptconn = 1, 2, 5, 7, 11, 13

	outside = 1 << 30
)

// getInt reads an option of 4 bytes; size is its length, or where that is.
func getInt(c *wasitest.Caller, fd, name, size uint64) uint32 {
	c.Expect(wasi.ESUCCESS, fn("sock_getsockopt"), fd, 0, name, atData, size)
	return c.U32(atData)
}

func TestOptionsInBothManners(t *testing.T) {
	c, _ := caller(t, version1)
	fd := open(t, c, inet4, stream)
	if got := getInt(c, fd, soType, 4); got != stream {
		t.Errorf("type %d", got)
	}
	c.Put(atData, []byte{1, 0, 0, 0})
	c.Expect(wasi.ESUCCESS, fn("sock_setsockopt"), fd, 0, soKeepalive, atData, 4)
	binary.LittleEndian.PutUint32(c.Mem[0x400:], 16)
	if got := getInt(c, fd, soKeepalive, 0x400); got != 1 || c.U32(0x400) != 4 {
		t.Errorf("keepalive %d, of %d bytes", got, c.U32(0x400))
	}
	if got := getInt(c, fd, soAcceptconn, 4); got != 0 {
		t.Errorf("acceptconn %d", got)
	}
	binary.LittleEndian.PutUint32(c.Mem[atData:], 1<<16)
	c.Expect(wasi.ESUCCESS, fn("sock_setsockopt"), fd, 0, soSndbuf, atData, 4)
	if got := getInt(c, fd, soSndbuf, 4); got < 1<<16 {
		t.Errorf("send buffer %d", got)
	}
	c.Expect(wasi.ENOPROTOOPT, fn("sock_getsockopt"), fd, 1, soType, atData, 4)
	c.Expect(wasi.ENOPROTOOPT, fn("sock_setsockopt"), fd, 0, 15, atData, 4)
	c.Expect(wasi.EINVAL, fn("sock_setsockopt"), fd, 0, soKeepalive, atData, 65)
	c.Expect(wasi.ENOTSOCK, fn("sock_getsockopt"), 1, 0, soType, atData, 4)
}

func TestReceivesTimeOut(t *testing.T) {
	c, _ := caller(t, version1)
	fd := open(t, c, inet4, datagram)
	c.Expect(wasi.ESUCCESS, fn("sock_bind"), fd, address(c, []byte{127, 0, 0, 1}), 0)
	const limit = 30 * time.Millisecond
	clear(c.Mem[atData : atData+16])
	binary.LittleEndian.PutUint64(c.Mem[atData+8:], uint64(limit.Microseconds()))
	c.Expect(wasi.ESUCCESS, fn("sock_setsockopt"), fd, 0, soRcvtimeo, atData, 16)
	clear(c.Mem[atData : atData+16])
	c.Expect(wasi.ESUCCESS, fn("sock_getsockopt"), fd, 0, soRcvtimeo, atData, 16)
	if got := c.U64(atData + 8); got != uint64(limit.Microseconds()) {
		t.Errorf("the timeout reads back as %d", got)
	}
	c.PutVectors(atIovs, [2]uint32{atData, 4})
	begun := time.Now()
	c.Expect(wasi.EAGAIN, fn("sock_recv"), fd, atIovs, 1, 0, atResult, atResult2)
	if took := time.Since(begun); took < limit {
		t.Errorf("timed out after %v", took)
	}
	binary.LittleEndian.PutUint64(c.Mem[atData+8:], 1e6)
	c.Expect(wasi.EDOM, fn("sock_setsockopt"), fd, 0, soRcvtimeo, atData, 16)
	c.Expect(wasi.EINVAL, fn("sock_setsockopt"), fd, 0, soRcvtimeo, atData, 8)
}

func TestConnectingWithoutWaiting(t *testing.T) {
	server := echo(t)
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := refusing.Addr().(*net.TCPAddr).Port
	if err := refusing.Close(); err != nil {
		t.Fatal(err)
	}
	c, _ := caller(t, version1)
	for _, s := range []struct {
		port int
		want wasi.Errno
	}{{server.Port, wasi.ESUCCESS}, {closed, wasi.ECONNREFUSED}} {
		fd := open(t, c, inet4, stream)
		c.Expect(wasi.ESUCCESS, fn("fd_fdstat_set_flags"), fd, uint64(wasi.FlagNonblock))
		errno, _ := c.Call(fn("sock_connect"), fd, address(c, []byte{127, 0, 0, 1}), uint64(s.port))
		if errno != wasi.EINPROGRESS && errno != s.want {
			t.Errorf("port %d: %v", s.port, errno)
			continue
		}
		if errno == wasi.EINPROGRESS {
			awaitWritable(c, fd)
			if got := wasi.Errno(getInt(c, fd, soError, 4)); got != s.want {
				t.Errorf("port %d: SO_ERROR %v, want %v", s.port, got, s.want)
			}
		}
		c.Expect(wasi.ESUCCESS, fn("fd_close"), fd)
	}
	fd := open(t, c, inet4, stream)
	c.Expect(wasi.ECONNREFUSED, fn("sock_connect"), fd, address(c, []byte{127, 0, 0, 1}), uint64(closed))
}

// awaitWritable polls for writing.
func awaitWritable(c *wasitest.Caller, fd uint64) {
	sub := c.Mem[0x800:0x830]
	clear(sub)
	sub[8] = 2
	binary.LittleEndian.PutUint32(sub[16:], uint32(fd))
	c.Expect(wasi.ESUCCESS, fn("poll_oneoff"), 0x800, 0x900, 1, atResult)
}

func TestBadArguments(t *testing.T) {
	c, _ := caller(t, version1, suffixed)
	fd := open(t, c, inet4, stream)
	v4 := address(c, []byte{127, 0, 0, 1})
	c.Expect(wasi.EAFNOSUPPORT, fn("sock_open"), 3, stream, atResult)
	c.Expect(wasi.EAFNOSUPPORT, fn("sock_open"), 1<<20, stream, atResult)
	c.Expect(wasi.EPROTONOSUPPORT, fn("sock_open"), inet4, 3, atResult)
	c.Expect(wasi.EFAULT, fn("sock_open"), inet4, stream, outside)
	c.Expect(wasi.EINVAL, fn("sock_bind"), fd, v4, 1<<16)
	c.Expect(wasi.EINVAL, fn("sock_bind"), fd, address(c, make([]byte, 5)), 80)
	c.Expect(wasi.EAFNOSUPPORT, fn("sock_connect"), fd, address(c, inFront(9, make([]byte, 4))), 80)
	c.Expect(wasi.EFAULT, fn("sock_connect"), fd, outside, 80)
	c.Expect(wasi.EFAULT, fn("sock_connect"), fd, c.PutVectors(atBuffer, [2]uint32{outside, 4}), 80)
	c.Expect(wasi.EFAULT, fn("sock_connect"), fd, c.PutVectors(atBuffer, [2]uint32{0, 1<<32 - 1}), 80)
	c.Expect(wasi.ENOTSOCK, fn("sock_bind"), 1, address(c, []byte{127, 0, 0, 1}), 0)
	c.Expect(wasi.EBADF, fn("sock_listen"), 99, 1)
	c.Expect(wasi.ENOTCONN, fn("sock_getpeeraddr"), fd, address(c, make([]byte, 16)), atResult, atResult2)
	c.Expect(wasi.EINVAL, fn("sock_getlocaladdr"), fd, address(c, make([]byte, 3)), atResult, atResult2)
	c.Expect(wasi.EFAULT, fn("sock_getlocaladdr"), fd, address(c, make([]byte, 16)), outside, atResult2)
	c.Expect(wasi.EFAULT, fn("sock_getlocaladdr"), fd, address(c, make([]byte, 16)), atResult, outside)
	c.PutVectors(atIovs, [2]uint32{outside, 4})
	c.Expect(wasi.EFAULT, fn("sock_recv_v2"), fd, atIovs, 1, 0, atResult, atResult2)
	c.Expect(wasi.EFAULT, fn("sock_send_v2"), fd, atIovs, 1, 0, atResult)
	c.Expect(wasi.EFAULT, fn("sock_send_to"), fd, atIovs, 1, address(c, []byte{127, 0, 0, 1}), 80, 0, atResult)
	c.Expect(wasi.EFAULT, fn("sock_getsockopt"), fd, 0, soType, outside, 4)
	c.Expect(wasi.EFAULT, fn("sock_getsockopt"), fd, 0, soType, atData, outside)
	c.Expect(wasi.EFAULT, fn("sock_setsockopt"), fd, 0, soType, outside, 4)
}
