// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi/internal/freelist"
)

// Vectors are the buffers of one read or write, in the form the kernel takes them: the bytes go
// straight between the kernel and the guest's memory. They come from a list; Release returns them.
type Vectors struct {
	iov         [MaxVectors]unix.Iovec
	first, next int // iov[first:next] is still to be done
}

var freeVectors freelist.List[Vectors]

// NewVectors is an empty list of buffers.
func NewVectors() *Vectors { return freeVectors.Get() }

// Release gives the list back; its buffers are forgotten.
func (v *Vectors) Release() {
	clear(v.iov[:v.next])
	v.first, v.next = 0, 0
	freeVectors.Put(v)
}

// Add appends a buffer; beyond MaxVectors it is EINVAL. Empty ones are left out.
func (v *Vectors) Add(b []byte) Errno {
	if len(b) == 0 {
		return ESUCCESS
	}
	if v.next == MaxVectors {
		return EINVAL
	}
	v.iov[v.next].Base = &b[0]
	v.iov[v.next].SetLen(len(b))
	v.next++
	return ESUCCESS
}

// empty says that nothing is left to do.
func (v *Vectors) empty() bool { return v.first == v.next }

// front is the first buffer still to be done.
func (v *Vectors) front() []byte {
	iov := &v.iov[v.first]
	return unsafe.Slice(iov.Base, int(iov.Len))
}

// advance drops the first n bytes.
func (v *Vectors) advance(n int) {
	for n > 0 {
		b := v.front()
		if n < len(b) {
			v.iov[v.first].Base = &b[n]
			v.iov[v.first].SetLen(len(b) - n)
			return
		}
		n -= len(b)
		v.first++
	}
}

// call makes one vectored system call: trap(fd, iov, count, a4, a5, a6).
func (v *Vectors) call(trap uintptr, fd int, a4, a5, a6 uintptr) (int, Errno) {
	for {
		n, _, e := unix.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&v.iov[v.first])),
			uintptr(v.next-v.first), a4, a5, a6)
		if e == 0 {
			return int(n), ESUCCESS
		}
		if e != unix.EINTR {
			return 0, fromKernel(e)
		}
	}
}

// currentOffset tells preadv2 and pwritev2 to use, and move, the file's own offset.
const currentOffset = ^uintptr(0)
