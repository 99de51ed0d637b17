// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const preview1 = "wasi_snapshot_preview1"

// Imports that guests call, by their index in Funcs.
const (
	procExit        = 0
	fdWrite         = 1
	pathFilestatGet = 2
	firstOwn        = 3
)

func imports() []Func {
	return []Func{
		{Module: preview1, Name: "proc_exit", Params: []byte{I32}},
		{Module: preview1, Name: "fd_write", Params: []byte{I32, I32, I32, I32}, Results: []byte{I32}},
		{Module: preview1, Name: "path_filestat_get", Params: []byte{I32, I32, I32, I32, I32}, Results: []byte{I32}},
	}
}

// Command is a WASI command whose _start has that body, and one i32 local. It
// may call proc_exit (0), fd_write (1) and path_filestat_get (2).
func Command(body ...[]byte) Module {
	return Module{Funcs: append(imports(), Func{Name: "_start", Locals: 1, Body: slices.Concat(body...)})}
}

// Exit calls proc_exit.
func Exit(code int32) []byte {
	return Command(Const(code), CallTo(procExit)).Bytes()
}

// Trap executes unreachable in a function "crash" that _start calls.
func Trap() []byte {
	return Module{Funcs: append(imports(),
		Func{Name: "_start", Body: CallTo(firstOwn + 1)},
		Func{Name: "crash", Body: []byte{Unreachable}},
	)}.Bytes()
}

// Spin writes text to stdout and computes for ever: it makes no host call that
// could end it.
func Spin(text string) []byte {
	m := Command(printing(1), []byte{Loop, void, Br, 0, End})
	m.Data = printed(text)
	return m.Bytes()
}

// Print writes text to a descriptor.
func Print(fd int32, text string) []byte {
	m := Command(printing(fd))
	m.Data = printed(text)
	return m.Bytes()
}

// PrintForever writes text to stdout again and again.
func PrintForever(text string) []byte {
	m := Command([]byte{Loop, void}, printing(1), []byte{Br, 0, End})
	m.Data = printed(text)
	return m.Bytes()
}

// HostCalls looks up a file n times, a call that leaves garbage in the host,
// then writes a line to stdout and computes for ever.
func HostCalls(n int32) []byte {
	m := Command(
		[]byte{Loop, void},
		Const(3), Const(0), Const(32), Const(512), Const(1024), CallTo(pathFilestatGet), []byte{Drop},
		[]byte{LocalGet, 0}, Const(1), []byte{I32Add, LocalTee, 0}, Const(n), []byte{I32LtU, BrIf, 0},
		[]byte{End},
		printing(1), []byte{Loop, void, Br, 0, End},
	)
	m.Data = append(printed("done\n"), make([]byte, 11)...)
	m.Data = append(m.Data, bytes.Repeat([]byte("x"), 512)...) // the file's name, at 32
	return m.Bytes()
}

// Grow grows its memory by that many pages, touches the last one, and exits
// with 0, or with 1 when the growth failed.
func Grow(pages int32) []byte {
	return Command(
		Const(pages), []byte{MemoryGrow, 0}, Const(-1), []byte{I32Eq, LocalTee, 0},
		[]byte{0x04, void}, Const(1), CallTo(procExit), []byte{End}, // if … end
		Const(pages*65536), Const(1), []byte{I32Store, 2, 0},
	).Bytes()
}

// printing calls fd_write with the vector at address 0.
func printing(fd int32) []byte {
	return slices.Concat(Const(fd), Const(0), Const(1), Const(8), CallTo(fdWrite), []byte{Drop})
}

// printed is a vector of one buffer at address 0 and the buffer itself.
func printed(text string) []byte {
	data := binary.LittleEndian.AppendUint32(nil, 16)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(text)))
	return append(append(data, make([]byte, 8)...), text...)
}
