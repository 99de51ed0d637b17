// SPDX-License-Identifier: Apache-2.0

package confine

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// archCalls are calls only this machine has, or spells this way.
var archCalls = []uint32{
	unix.SYS_NEWFSTATAT, unix.SYS_RENAMEAT, unix.SYS_POLL, unix.SYS_EPOLL_WAIT, unix.SYS_DUP2,
}

var archDangerousCalls = []uint32{
	unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT,
	unix.SYS_MKNOD, unix.SYS_CREATE_MODULE, unix.SYS_USELIB,
}
