// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// identity is the user a worker becomes.
type identity struct {
	uid, gid uint32
	groups   []uint32
	rootless bool
}

// assume changes the ids of all threads, those that are not what they are to be. In a user
// namespace that maps one id there is nothing to change to, and groups are locked
// (user_namespaces(7)).
func (id identity) assume() error {
	if id.rootless {
		return nil
	}
	groups := make([]int, len(id.groups))
	for i, g := range id.groups {
		groups[i] = int(g)
	}
	if now, err := unix.Getgroups(); err != nil || !sameGroups(now, groups) {
		if err := syscall.Setgroups(groups); err != nil {
			return fmt.Errorf("set groups %v: %w", id.groups, err)
		}
	}
	uid, gid := int(id.uid), int(id.gid)
	if r, e, s := unix.Getresgid(); r != gid || e != gid || s != gid {
		if err := syscall.Setresgid(gid, gid, gid); err != nil {
			return fmt.Errorf("set gid %d: %w", gid, err)
		}
	}
	if r, e, s := unix.Getresuid(); r != uid || e != uid || s != uid {
		if err := syscall.Setresuid(uid, uid, uid); err != nil {
			return fmt.Errorf("set uid %d: %w", uid, err)
		}
	}
	return nil
}

// sameGroups compares groups in any order: the kernel sorts them.
func sameGroups(a, b []int) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// dropBoundingSet empties the bounding set, so that not even a future exec
// could bring a capability back (capabilities(7)).
func dropBoundingSet() error {
	for c := uintptr(0); ; c++ {
		held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err == unix.EINVAL {
			return nil // past the last capability this kernel knows
		}
		if err != nil {
			return fmt.Errorf("capability %d: %w", c, err)
		}
		if held == 0 {
			continue
		}
		if err := allThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
}

// dropCapabilities empties the permitted, effective, inheritable and ambient
// sets.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	err := allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)))
	if err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// forbidNewPrivileges sets no_new_privs, and keeps other processes of the same
// user from tracing this one or reading its memory (prctl(2)).
//
// A process that was born without new privileges has no thread that could have any.
func forbidNewPrivileges() error {
	born, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err == nil && born != 1 {
		err = allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	if err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("dumpable: %w", err)
	}
	return nil
}

// allThreads makes a system call on every thread: ids, capabilities and
// filters are each thread's own.
func allThreads(trap, a1, a2 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, 0, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.ENOTSUP: // what the syscall package says of a program with cgo
		return errors.New("this worker was built with cgo and cannot confine its threads: build it with CGO_ENABLED=0")
	}
	return errno
}
