// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"encoding/binary"
	"reflect"

	"github.com/tetratelabs/wazero/api"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// Call is one call of a host function. Every pointer and length in it is the guest's word: the
// methods check them against its memory and answer EFAULT for what lies outside.
type Call struct {
	// Sys is the guest's host.
	Sys *wasi.System
	mem api.Memory
}

// memory is the memory of the calling module; nil if it has none. wazero hands out a nil pointer in
// an interface then.
func memory(m api.Module) api.Memory {
	mem := m.Memory()
	if v := reflect.ValueOf(mem); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	return mem
}

// HasMemory says whether the guest has a memory at all.
func (c Call) HasMemory() bool { return c.mem != nil }

// Bytes is a piece of the guest's memory itself, valid during this call.
func (c Call) Bytes(ptr, n uint32) ([]byte, wasi.Errno) {
	if c.mem == nil {
		return nil, wasi.EFAULT
	}
	b, ok := c.mem.Read(ptr, n)
	if !ok {
		return nil, wasi.EFAULT
	}
	return b, wasi.ESUCCESS
}

// Array is the memory of count elements of size bytes; a product beyond 32 bits lies outside.
func (c Call) Array(ptr, count, size uint32) ([]byte, wasi.Errno) {
	n := uint64(count) * uint64(size)
	if n != uint64(uint32(n)) {
		return nil, wasi.EFAULT
	}
	return c.Bytes(ptr, uint32(n))
}

// String is a copy of a string of the guest's. One that is too long for a path is ENAMETOOLONG; the
// bytes are taken as they are: file names need not be UTF-8.
func (c Call) String(ptr, n uint32) (string, wasi.Errno) {
	b, errno := c.Bytes(ptr, n)
	switch {
	case errno != wasi.ESUCCESS:
		return "", errno
	case n >= wasi.MaxPath:
		return "", wasi.ENAMETOOLONG
	}
	return string(b), wasi.ESUCCESS
}

// PutU32 stores a number. Functions that store several results check all places before the work is
// done: see Bytes.
func (c Call) PutU32(ptr, v uint32) wasi.Errno {
	b, errno := c.Bytes(ptr, 4)
	if errno == wasi.ESUCCESS {
		binary.LittleEndian.PutUint32(b, v)
	}
	return errno
}

// PutU64 stores a number.
func (c Call) PutU64(ptr uint32, v uint64) wasi.Errno {
	b, errno := c.Bytes(ptr, 8)
	if errno == wasi.ESUCCESS {
		binary.LittleEndian.PutUint64(b, v)
	}
	return errno
}

// Vectors reads an array of iovec or ciovec (both {ptr, len}). The caller releases it; on error there
// is nothing to release. More than wasi.MaxVectors buffers are EINVAL.
func (c Call) Vectors(ptr, count uint32) (*wasi.Vectors, wasi.Errno) {
	if count > wasi.MaxVectors {
		return nil, wasi.EINVAL
	}
	list, errno := c.Array(ptr, count, 8)
	if errno != wasi.ESUCCESS {
		return nil, errno
	}
	v := wasi.NewVectors()
	for ; len(list) > 0; list = list[8:] {
		b, errno := c.Bytes(binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]))
		if errno == wasi.ESUCCESS {
			errno = v.Add(b)
		}
		if errno != wasi.ESUCCESS {
			v.Release()
			return nil, errno
		}
	}
	return v, wasi.ESUCCESS
}
