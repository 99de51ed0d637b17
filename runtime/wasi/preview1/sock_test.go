// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

const listener = 3

// serving is a guest with a listener as descriptor 3, and the listener's address.
func serving(t *testing.T) (c *wasitest.Caller, s *wasi.System, addr string) {
	t.Helper()
	ln, addr := wasitest.Listen(t)
	c, s = caller(t, wasi.Options{Listeners: []wasi.Listener{ln}})
	return c, s, addr
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return conn.(*net.TCPConn)
}

func TestListenersAreShownNonBlocking(t *testing.T) {
	c, _, _ := serving(t)
	c.Expect(wasi.ESUCCESS, p1("fd_fdstat_get"), listener, atStruct)
	if typ, flags := c.Mem[atStruct], c.Mem[atStruct+2]; typ != byte(wasi.FileSocketStream) || wasi.FDFlags(flags) != wasi.FlagNonblock {
		t.Fatalf("type %d, flags %d", typ, flags)
	}
	c.Expect(wasi.EAGAIN, p1("sock_accept"), listener, 0, atResult)
	c.Expect(wasi.EBADF, p1("fd_prestat_get"), listener, atStruct)
}

func TestAcceptWaitsForGuestsThatNeverAsked(t *testing.T) {
	c, s, addr := serving(t)
	done := make(chan wasi.Errno)
	go func() {
		errno, _ := c.Call(p1("sock_accept"), listener, 0, atResult)
		done <- errno
	}()
	wasitest.AwaitSleep(t, s)
	dial(t, addr)
	if errno := <-done; errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	c.Expect(wasi.ESUCCESS, p1("fd_fdstat_get"), uint64(c.U32(atResult)), atStruct)
	if flags := c.Mem[atStruct+2]; flags != 0 {
		t.Errorf("the connection's flags: %d", flags)
	}
}

func TestConnectionsCarryDataBothWays(t *testing.T) {
	c, _, addr := serving(t)
	conn := dial(t, addr)
	if got := poll(t, c, sub{kind: subRead, fd: listener}); len(got) != 1 || got[0].nbytes == 0 {
		t.Fatalf("poll of the listener: %+v", got)
	}
	c.Expect(wasi.EINVAL, p1("sock_accept"), listener, uint64(wasi.FlagAppend), atResult)
	c.Expect(wasi.ESUCCESS, p1("sock_accept"), listener, uint64(wasi.FlagNonblock), atResult)
	fd := uint64(c.U32(atResult))
	c.PutVectors(atIovs, [2]uint32{atData, 4}, [2]uint32{atData + 16, 100})
	c.Expect(wasi.EAGAIN, p1("fd_read"), fd, atIovs, 2, atResult)
	c.Expect(wasi.EAGAIN, p1("sock_recv"), fd, atIovs, 2, 0, atResult, atResult2)
	if _, err := conn.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	poll(t, c, sub{kind: subRead, fd: uint32(fd)})
	c.PutVectors(atIovs, [2]uint32{atData, 4}, [2]uint32{atData + 16, 100})
	for _, flags := range []wasi.RecvFlags{wasi.RecvPeek, 0} {
		c.Expect(wasi.ESUCCESS, p1("sock_recv"), fd, atIovs, 2, uint64(flags), atResult, atResult2)
		if got := string(c.Mem[atData:atData+4]) + string(c.Mem[atData+16:atData+20]); got != "question" || c.U32(atResult) != 8 {
			t.Errorf("sock_recv with flags %d: %q, %d bytes", flags, got, c.U32(atResult))
		}
	}
	c.Expect(wasi.EINVAL, p1("sock_recv"), fd, atIovs, 2, 4, atResult, atResult2)
	c.Expect(wasi.EINVAL, p1("sock_send"), fd, atIovs, 2, 1, atResult)
	c.Put(atData, []byte("answer"))
	c.PutVectors(atIovs, [2]uint32{atData, 6})
	c.Expect(wasi.ESUCCESS, p1("sock_send"), fd, atIovs, 1, 0, atResult)
	write(t, c, fd, "+more")
	c.Expect(wasi.EINVAL, p1("sock_shutdown"), fd, 0)
	c.Expect(wasi.EINVAL, p1("sock_shutdown"), fd, 4)
	c.Expect(wasi.ESUCCESS, p1("sock_shutdown"), fd, uint64(wasi.ShutdownWrite))
	if got, err := io.ReadAll(conn); err != nil || string(got) != "answer+more" {
		t.Errorf("the peer read %q, %v", got, err)
	}
	c.PutVectors(atIovs, [2]uint32{atData, 4})
	c.Expect(wasi.EPIPE, p1("sock_send"), fd, atIovs, 1, 0, atResult)
	c.Expect(wasi.ENOTCAPABLE, p1("fd_seek"), fd, 0, 0, atResult)
	c.Expect(wasi.ENOTDIR, p1("fd_readdir"), fd, atData, 100, 0, atResult)
}

func TestReceiveWaitsForAllOfIt(t *testing.T) {
	c, s, addr := serving(t)
	conn := dial(t, addr)
	c.Expect(wasi.ESUCCESS, p1("sock_accept"), listener, 0, atResult)
	fd := uint64(c.U32(atResult))
	done := make(chan string)
	go func() {
		c.PutVectors(atIovs, [2]uint32{atData, 3}, [2]uint32{atData + 3, 5})
		errno, err := c.Call(p1("sock_recv"), fd, atIovs, 2, uint64(wasi.RecvWaitAll), atResult, atResult2)
		if errno != wasi.ESUCCESS || err != nil {
			t.Error(errno, err)
		}
		done <- string(c.Mem[atData : atData+c.U32(atResult)])
	}()
	for _, part := range []string{"ab", "cdef", "gh"} {
		wasitest.AwaitSleep(t, s)
		if _, err := conn.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-done; got != "abcdefgh" {
		t.Errorf("received %q", got)
	}
}

func TestDatagramsSayWhenTheyWereCut(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	})
	c, _ := caller(t, wasi.Options{Listeners: []wasi.Listener{{FD: fds[0], Name: "log"}}})
	c.Expect(wasi.ESUCCESS, p1("fd_fdstat_get"), 3, atStruct)
	if typ := c.Mem[atStruct]; typ != byte(wasi.FileSocketDatagram) {
		t.Errorf("type %d", typ)
	}
	if _, err := unix.Write(fds[1], []byte("long datagram")); err != nil {
		t.Fatal(err)
	}
	c.PutVectors(atIovs, [2]uint32{atData, 4})
	c.Expect(wasi.ESUCCESS, p1("sock_recv"), 3, atIovs, 1, 0, atResult, atResult2)
	if n, flags := c.U32(atResult), c.U32(atResult2)&0xffff; n != 4 || flags != 1 {
		t.Errorf("%d bytes, flags %d", n, flags)
	}
	c.Expect(wasi.ESUCCESS, p1("sock_send"), 3, 0, 0, 0, atResult)
	var b [8]byte
	if n, err := unix.Read(fds[1], b[:]); n != 0 || err != nil {
		t.Errorf("an empty datagram arrived as %d bytes, %v", n, err)
	}
	c.Expect(wasi.ESUCCESS, p1("environ_sizes_get"), atResult, atResult2)
	c.Expect(wasi.ESUCCESS, p1("environ_get"), atStruct, atData)
	if got, want := string(c.Mem[atData:atData+c.U32(atResult2)]), "LISTEN_FDS=1\x00LISTEN_FDNAMES=log\x00"; got != want {
		t.Errorf("environment %q, want %q", got, want)
	}
}
