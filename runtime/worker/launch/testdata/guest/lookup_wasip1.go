// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"runtime"
	"structs"
	"unsafe"
)

// record and address are the addrinfo and the sockaddr of WasmEdge's
// sock_getaddrinfo: pointers have 32 bits.
type record struct {
	_              structs.HostLayout
	flags          uint16
	family, kind   uint8
	protocol, size uint32
	address        uint32
	name, nameSize uint32
	next           uint32
}

type address struct {
	_            structs.HostLayout
	family, size uint32
	data         uint32
}

//go:wasmimport wasi_snapshot_preview1 sock_getaddrinfo
func sockGetaddrinfo(node string, service string, hints *record, list *uint32, room uint32, count *uint32) uint32

func at[T any](p *T) uint32 { return uint32(uintptr(unsafe.Pointer(p))) }

func init() {
	commands["lookup"] = func(w []string) (string, error) {
		const inet4 = 1
		var data [26]byte
		place := &address{size: uint32(len(data)), data: at(&data[0])}
		answer, hints := &record{address: at(place)}, &record{family: inet4}
		list, count := at(answer), uint32(0)
		errno := sockGetaddrinfo(w[0], "", hints, &list, 1, &count)
		runtime.KeepAlive(place)
		runtime.KeepAlive(answer)
		if errno != 0 || count != 1 {
			return "", fmt.Errorf("error %d, %d addresses", errno, count)
		}
		return netip.AddrFrom4([4]byte(data[2:6])).String(), nil
	}
}
