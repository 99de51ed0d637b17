// SPDX-License-Identifier: Apache-2.0

package confine

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// archCalls are calls only this machine has, or spells this way.
var archCalls = []uint32{
	unix.SYS_NEWFSTATAT, unix.SYS_RENAMEAT,
}

var archDangerousCalls []uint32
