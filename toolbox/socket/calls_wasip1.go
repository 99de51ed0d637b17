// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"
	"unsafe"
)

// The functions of the sockets extension, in its second version (runtime/wasi/wasmedge has both).
// Pointers within what they are given are 32 bits wide.

//go:wasmimport wasi_snapshot_preview1 sock_open
//go:noescape
func sockOpen(family, kind int32, fd unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_bind
//go:noescape
func sockBind(fd int32, addr unsafe.Pointer, port int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_listen
func sockListen(fd, backlog int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_connect
//go:noescape
func sockConnect(fd int32, addr unsafe.Pointer, port int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getlocaladdr
//go:noescape
func sockGetlocaladdr(fd int32, addr, port unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getpeeraddr
//go:noescape
func sockGetpeeraddr(fd int32, addr, port unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getsockopt
//go:noescape
func sockGetsockopt(fd, level, name int32, value, size unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_setsockopt
//go:noescape
func sockSetsockopt(fd, level, name int32, value unsafe.Pointer, size int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getaddrinfo
//go:noescape
func sockGetaddrinfo(node unsafe.Pointer, nodeLen int32, service unsafe.Pointer, serviceLen int32,
	hints, list unsafe.Pointer, room int32, count unsafe.Pointer) uint32

// Numbers of the extension.
const (
	familyInet4 = 1
	familyInet6 = 2

	kindDatagram = 1
	kindStream   = 2

	optionReuseAddr = 0
	optionType      = 1
	optionError     = 2
	optionAccepts   = 13

	// Errors of getaddrinfo follow those of preview 1.
	lastErrno  = 76
	tryAgain   = lastErrno + 2
	noSuchName = lastErrno + 8
)

// addressSize is the size of an address with its family in front.
const addressSize = 128

// address is a buffer that holds an address, described as {pointer, length}. It lives on the heap,
// where nothing moves.
type address struct {
	pointer, length uint32
	storage         [addressSize]byte
}

func newAddress() *address {
	a := new(address)
	escape = a
	a.pointer, a.length = pointerOf(&a.storage[0]), addressSize
	return a
}

// escape keeps what functions are shown by its address off the stack, which can move.
var escape any

func pointerOf(b *byte) uint32 { return uint32(uintptr(unsafe.Pointer(b))) }

func (a *address) set(addr netip.Addr) {
	family := uint16(familyInet4)
	if addr.Is6() {
		family = familyInet6
	}
	binary.LittleEndian.PutUint16(a.storage[:], family)
	copy(a.storage[2:], addr.AsSlice())
}

func (a *address) get() netip.Addr {
	if binary.LittleEndian.Uint16(a.storage[:]) == familyInet6 {
		return netip.AddrFrom16([16]byte(a.storage[2:18])).Unmap()
	}
	return netip.AddrFrom4([4]byte(a.storage[2:6]))
}

// nameOf calls one of the functions that tell an address.
func nameOf(fd int32, call func(fd int32, addr, port unsafe.Pointer) uint32) netip.AddrPort {
	a, port := newAddress(), new(uint32)
	escape = port
	if call(fd, unsafe.Pointer(a), unsafe.Pointer(port)) != 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.get(), uint16(*port))
}

// open makes a socket that does not block.
func open(kind int32, addr netip.Addr) (int, error) {
	family := int32(familyInet4)
	if addr.Is6() {
		family = familyInet6
	}
	fd := new(int32)
	escape = fd
	if errno := sockOpen(family, kind, unsafe.Pointer(fd)); errno != 0 {
		return 0, refused(syscall.Errno(errno))
	}
	if err := syscall.SetNonblock(int(*fd), true); err != nil {
		return 0, errors.Join(err, syscall.Close(int(*fd)))
	}
	return int(*fd), nil
}

// errNoNetwork explains EACCES: no other call of a socket's opening gives it.
var errNoNetwork = errors.New("this container may open no sockets (the annotation wazelet.dev/network says none)")

func refused(errno syscall.Errno) error {
	if errno == syscall.EACCES {
		return errNoNetwork
	}
	return errno
}

// optionOf reads an option whose value is a number.
func optionOf(fd, name int32) (int32, syscall.Errno) {
	value, size := new(int32), new(int32)
	*size = 4
	escape = [2]*int32{value, size}
	errno := sockGetsockopt(fd, 0, name, unsafe.Pointer(value), unsafe.Pointer(size))
	return *value, syscall.Errno(errno)
}

// failure is what became of a connection that was being made.
func failure(fd int32) error {
	value, errno := optionOf(fd, optionError)
	if errno == 0 {
		errno = syscall.Errno(value) // in the numbers of WASI, not in those of a kernel
	}
	if errno != 0 {
		return errno
	}
	return nil
}
