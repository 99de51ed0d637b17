// SPDX-License-Identifier: Apache-2.0

package command

import "unsafe"

// Of preview 1: a terminal is a character device without the right to seek or tell.
const (
	characterDevice = 2
	rightSeekTell   = 1<<2 | 1<<5
)

type fdstat struct {
	kind       uint8
	_          uint8
	flags      uint16
	_          uint32
	rights     uint64
	inheriting uint64
}

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_get
//go:noescape
func fdstatGet(fd int32, stat unsafe.Pointer) uint32

func isTerminal(fd uintptr) bool {
	var stat fdstat
	errno := fdstatGet(int32(fd), unsafe.Pointer(&stat))
	return errno == 0 && stat.kind == characterDevice && stat.rights&rightSeekTell == 0
}
