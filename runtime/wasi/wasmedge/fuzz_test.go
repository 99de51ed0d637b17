// SPDX-License-Identifier: Apache-2.0

package wasmedge_test

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// FuzzCalls calls functions with any arguments over any memory, on a socket that is open; those that
// would speak to whatever address comes up (connect, send to, names) get none.
//
// calls is a list of 33 bytes each: which function, then four arguments of 64 bits; further arguments
// repeat them.
func FuzzCalls(f *testing.F) {
	funcs := maps.Clone(version1)
	maps.Copy(funcs, suffixed)
	for _, name := range []string{"sock_open", "sock_bind", "sock_getsockopt", "sock_setsockopt", "sock_getaddrinfo", "sock_recv"} {
		funcs[name] = common[name]
	}
	names := slices.Sorted(maps.Keys(funcs))
	for i := range names {
		call := []byte{byte(i)}
		for _, a := range []uint64{3, 64, 4, 128} {
			call = binary.LittleEndian.AppendUint64(call, a)
		}
		f.Add(call, []byte("\x40\x00\x00\x00\x10\x00\x00\x00"))
		f.Add(call, slices.Repeat([]byte{0x80, 0, 0, 0}, 64))
	}
	f.Fuzz(func(t *testing.T, calls, memory []byte) {
		c, s := caller(t, version1, suffixed)
		fd := open(t, c, inet4, datagram)
		c.Expect(wasi.ESUCCESS, fn("fd_fdstat_set_flags"), fd, uint64(wasi.FlagNonblock))
		copy(c.Mem, memory)
		for ; len(calls) >= 33; calls = calls[33:] {
			name := names[int(calls[0])%len(names)]
			args := make([]uint64, len(funcs[name]))
			for i := range args {
				args[i] = uint64(binary.LittleEndian.Uint32(calls[1+8*(i%4):]))
			}
			if name == "sock_getaddrinfo" {
				args[1] = 0 // the length of the name to look up
			}
			err := wasitest.EndWhenAsleep(s, func() error {
				_, err := c.Call(fn(name), args...)
				return err
			})
			if err != nil {
				return // it waited and was interrupted
			}
		}
	})
}
