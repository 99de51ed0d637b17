// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkFilter is what a worker does before its filter goes to the kernel.
func BenchmarkFilter(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		assemble(rules(1), unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS))
	}
}
