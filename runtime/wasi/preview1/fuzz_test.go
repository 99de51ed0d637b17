// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// FuzzCalls calls functions with any arguments over any memory. Whatever a guest says, the host
// answers with an errno of the specification, or ends the guest where it asked for that.
//
// calls is a list of 33 bytes each: which function, then four arguments of 64 bits; further arguments
// repeat them. memory is what the guest's memory begins with.
func FuzzCalls(f *testing.F) {
	list := imports()
	for i := range list {
		at := func(args ...uint64) []byte {
			b := []byte{byte(i)}
			for _, a := range args {
				b = binary.LittleEndian.AppendUint64(b, a)
			}
			return b
		}
		f.Add(at(3, 64, 128, 256), []byte("some/path\x00\xff"))
		f.Add(at(1<<32-1, 1<<32-1, 1<<32-1, 1<<32-1), []byte{})
		f.Add(append(at(4, 0, 1, 8), at(0, memorySize-1, 3, 1<<63)...), make([]byte, 64))
	}
	f.Fuzz(func(t *testing.T, calls, memory []byte) {
		dir := t.TempDir()
		writeFile(t, dir, "some", "content")
		if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		ln, _ := wasitest.Listen(t)
		c, s := caller(t, wasi.Options{
			Args: []string{"a"}, Env: []string{"B=c"}, Preopens: wasitest.Dir(t, dir),
			Listeners: []wasi.Listener{ln},
		})
		copy(c.Mem, memory)
		for ; len(calls) >= 33; calls = calls[33:] {
			fn := list[int(calls[0])%len(list)]
			args := make([]uint64, len(fn.Params))
			for i := range args {
				args[i] = binary.LittleEndian.Uint64(calls[1+8*(i%4):])
				if fn.Params[i] == 'i' {
					args[i] &= 1<<32 - 1
				}
			}
			if fn.Name == "fd_allocate" {
				// What it is asked for it takes from the disk.
				args[1], args[2] = args[1]%(1<<20), args[2]%(1<<20)
			}
			var errno wasi.Errno
			err := wasitest.EndWhenAsleep(s, func() (err error) {
				errno, err = c.Call(fn.Module+"."+fn.Name, args...)
				return err
			})
			if err != nil {
				return // the guest's end: proc_exit, or a wait that was interrupted
			}
			if errno == wasi.ENOSYS {
				t.Fatalf("%s%v: not implemented", fn.Name, args)
			}
		}
	})
}
