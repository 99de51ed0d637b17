// SPDX-License-Identifier: Apache-2.0

// Package preview1 is the preview 1 face of the WASI host: the functions of wasi_snapshot_preview1
// and of the snapshot before it, wasi_unstable, over package wasi. It decodes arguments, checks
// rights and pointers, and lays results out in the guest's memory; what the functions do is in wasi.
//
// The two snapshots differ in little: the numbers of whence, the layout of filestat and subscription,
// and sock_accept, which only the newer one has. See layout.go.
//
// Where the specification (witx of WebAssembly/WASI, branch wasi-0.1) leaves a choice, the answer is
// wasmtime's, because that is what guests were tried on: EPERM for a path that would leave its
// directory or a symbolic link to an absolute one, EBADF from fd_prestat_get for whatever is no
// preopened directory, so that libraries stop looking there.
package preview1
