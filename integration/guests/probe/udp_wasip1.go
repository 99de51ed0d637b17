// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"structs"
	"syscall"
	"unsafe"
)

// vector is preview 1's iovec and ciovec; a buffer of the socket functions is one.
type vector struct {
	_        structs.HostLayout
	at, size uint32
}

func vectorOf(b []byte) *vector {
	return &vector{at: uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), size: uint32(len(b))}
}

// The socket functions of WasmEdge, version 2.
//
//go:wasmimport wasi_snapshot_preview1 sock_recv_from
func sockRecvFrom(fd uint32, data *vector, count uint32, address *vector, flags uint32, port, n, oflags *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_send_to
func sockSendTo(fd uint32, data *vector, count uint32, address *vector, port, flags uint32, n *uint32) uint32

func init() { commands["udp"] = udp } // only a guest has these functions

// udp PORT receives a datagram on the first socket it was handed and prints whether it
// may send it to that port of the sender's host, and whether back.
func udp(words []string) error {
	stranger, err := number(words, 0)
	if err != nil {
		return err
	}
	const socket = 4
	if err := syscall.SetNonblock(socket, false); err != nil {
		return err
	}
	fmt.Println("ready")
	data, address := make([]byte, 1500), make([]byte, 128)
	var port, n, flags uint32 // the latter also takes how much was sent, which nobody asks
	if errno := sockRecvFrom(socket, vectorOf(data), 1, vectorOf(address), 0, &port, &n, &flags); errno != 0 {
		return fmt.Errorf("receive: %w", syscall.Errno(errno))
	}
	for _, to := range []uint32{uint32(stranger), port} {
		said := "sent"
		if errno := sockSendTo(socket, vectorOf(data[:n]), 1, vectorOf(address), to, 0, &flags); errno != 0 {
			said = syscall.Errno(errno).Error()
		}
		fmt.Println(said)
	}
	runtime.KeepAlive(data)
	runtime.KeepAlive(address)
	return nil
}
