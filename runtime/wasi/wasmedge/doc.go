// SPDX-License-Identifier: Apache-2.0

// Package wasmedge is the sockets extension of preview 1 that WasmEdge introduced: functions in
// wasi_snapshot_preview1 with which guests open sockets, connect, bind, listen and resolve names. The
// Rust crate wasmedge_wasi_socket and what builds on it (tokio_wasi, hyper_wasi), C libraries and the
// Go module github.com/stealthrocket/net import them.
//
// The extension has no specification; WasmEdge's own host and those libraries are what there is to go
// by. Two versions are about, told apart by the number of parameters, or by a suffix _v2 in newer
// hosts:
//
//	                  version 1                      version 2
//	sock_accept       fd, out fd                     fd, flags, out fd (as in preview 1)
//	sock_recv_from    without the sender's port      with it
//	sock_getlocaladdr address, its type 4 or 6,      address with its family in front,
//	sock_getpeeraddr  port                           port
//
// Addresses pass through a buffer the guest describes as {pointer, length}: 4 or 16 bytes hold a bare
// IPv4 or IPv6 address, 128 bytes hold the family in 16 bits (1 IPv4, 2 IPv6) and the address.
package wasmedge
