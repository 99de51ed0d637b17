// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// conn is a connection: a descriptor that goes through Go's poller.
type conn struct {
	*os.File
	remote netip.AddrPort
}

func (c conn) Remote() netip.AddrPort { return c.remote }

func (c conn) CloseWrite() error {
	return control(c.File, func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_WR) })
}

// control calls do with a file's descriptor. File.Fd would make it block.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
}

// Dial connects to an address, of tcp or udp.
func Dial(ctx context.Context, network string, addr netip.AddrPort) (Conn, error) {
	kind := int32(kindStream)
	if network == "udp" {
		kind = kindDatagram
	}
	fd, err := open(kind, addr.Addr())
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), addr.String())
	if err := connect(ctx, f, addr); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return conn{f, addr}, nil
}

func connect(ctx context.Context, f *os.File, addr netip.AddrPort) error {
	a := newAddress()
	a.set(addr.Addr())
	var errno syscall.Errno
	err := control(f, func(fd int) error {
		errno = syscall.Errno(sockConnect(int32(fd), unsafe.Pointer(a), int32(addr.Port())))
		return nil
	})
	switch {
	case err != nil:
		return err
	case errno == 0:
		return nil
	case errno != syscall.EINPROGRESS:
		return errno
	}
	return established(ctx, f)
}

// established waits until a connection is made, or is not.
func established(ctx context.Context, f *os.File) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := f.SetWriteDeadline(deadline); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) }) // it was set before
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	asked, failed := false, error(nil)
	err = raw.Write(func(fd uintptr) bool {
		if !asked { // the first time, nobody has waited yet
			asked = true
			return false
		}
		failed = failure(int32(fd))
		return true
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = syscall.ETIMEDOUT
	}
	return errors.Join(err, failed, f.SetWriteDeadline(time.Time{}))
}

// listener is a descriptor that accepts.
type listener struct {
	f    *os.File
	addr netip.AddrPort
}

func (l listener) Addr() netip.AddrPort { return l.addr }
func (l listener) Close() error         { return l.f.Close() }

func (l listener) Accept() (Conn, error) {
	raw, err := l.f.SyscallConn()
	if err != nil {
		return nil, err
	}
	accepted, failed := 0, error(nil)
	err = raw.Read(func(fd uintptr) bool {
		accepted, _, failed = syscall.Accept(int(fd))
		return !errors.Is(failed, syscall.EAGAIN)
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(accepted, true); err != nil {
		return nil, errors.Join(err, syscall.Close(accepted))
	}
	remote := nameOf(int32(accepted), sockGetpeeraddr)
	return conn{os.NewFile(uintptr(accepted), remote.String()), remote}, nil
}

// backlog is how many connections may wait to be accepted.
const backlog = 128

// Listen opens a listener.
func Listen(addr netip.AddrPort) (Listener, error) {
	fd, err := open(kindStream, addr.Addr())
	if err != nil {
		return nil, err
	}
	on := new(int32)
	*on = 1
	escape = on
	a := newAddress()
	a.set(addr.Addr())
	errno := sockSetsockopt(int32(fd), 0, optionReuseAddr, unsafe.Pointer(on), 4)
	if errno == 0 {
		errno = sockBind(int32(fd), unsafe.Pointer(a), int32(addr.Port()))
	}
	if errno == 0 {
		errno = sockListen(int32(fd), backlog)
	}
	if errno != 0 {
		return nil, errors.Join(syscall.Errno(errno), syscall.Close(fd))
	}
	return listenerOf(fd), nil
}

func listenerOf(fd int) listener {
	addr := nameOf(int32(fd), sockGetlocaladdr)
	return listener{os.NewFile(uintptr(fd), addr.String()), addr}
}

// Layout of the list that getaddrinfo fills: a record, the socket's address it points to, and that
// one's data.
const (
	maxAddresses = 16
	recordSize   = 28
	sockaddrSize = 12
	dataSize     = 32
)

// addrinfo is the list, with room for all that records point to.
type addrinfo struct {
	records [maxAddresses][recordSize]byte
	addrs   [maxAddresses][sockaddrSize]byte
	data    [maxAddresses][dataSize]byte
	head    uint32
	count   uint32
	hints   [recordSize]byte
}

func newAddrinfo() *addrinfo {
	l := new(addrinfo)
	escape = l
	le := binary.LittleEndian
	for i := range l.records {
		le.PutUint32(l.records[i][12:], pointerOf(&l.addrs[i][0]))
		if i+1 < maxAddresses {
			le.PutUint32(l.records[i][24:], pointerOf(&l.records[i+1][0]))
		}
		le.PutUint32(l.addrs[i][4:], dataSize)
		le.PutUint32(l.addrs[i][8:], pointerOf(&l.data[i][0]))
	}
	l.head = pointerOf(&l.records[0][0])
	l.hints[3] = kindStream
	return l
}

// address reads record number i: port and address, as the kernel lays them out.
func (l *addrinfo) address(i int) netip.Addr {
	if l.records[i][2] == familyInet6 {
		return netip.AddrFrom16([16]byte(l.data[i][6:22])).Unmap()
	}
	return netip.AddrFrom4([4]byte(l.data[i][2:6]))
}

// Lookup resolves a host's name, as the container's /etc/hosts and /etc/resolv.conf say.
func Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	if addrs, ok := literal(host); ok {
		return addrs, nil
	}
	if host == "" || len(host) > 255 {
		return nil, ErrNoHost
	}
	addrs, err := lookup(host)
	if err != nil && strings.TrimSuffix(host, ".") == "localhost" { // a container need not have /etc/hosts (RFC 6761)
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	return addrs, err
}

func lookup(host string) ([]netip.Addr, error) {
	l, name := newAddrinfo(), []byte(host)
	escape2 = name
	errno := sockGetaddrinfo(unsafe.Pointer(&name[0]), int32(len(name)), unsafe.Pointer(&name[0]), 0,
		unsafe.Pointer(&l.hints), unsafe.Pointer(&l.head), maxAddresses, unsafe.Pointer(&l.count))
	switch {
	case errno == tryAgain:
		return nil, errors.New("the name server does not answer")
	case errno == noSuchName || errno == 0 && l.count == 0:
		return nil, ErrNoHost
	case errno > lastErrno:
		return nil, errors.New("the name cannot be resolved (getaddrinfo " + strconv.Itoa(int(errno)-lastErrno) + ")")
	case errno != 0:
		return nil, refused(syscall.Errno(errno))
	}
	addrs := make([]netip.Addr, min(l.count, maxAddresses))
	for i := range addrs {
		addrs[i] = l.address(i)
	}
	return addrs, nil
}

// escape2 is escape for a second thing at the same time.
var escape2 any
