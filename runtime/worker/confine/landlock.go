// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock rights no guest needs anywhere, by the version of the kernel's
// interface that brought them (landlock(7)). The ruleset handles them and
// grants them nowhere; files as such are the mount namespace's business.
var landlockRights = []struct {
	abi    int
	access uint64
}{
	{1, unix.LANDLOCK_ACCESS_FS_EXECUTE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK},
	{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

// Versions of the interface that matter beyond single rights.
const (
	// landlockRefer is the first that can permit renames and links between
	// directories; without it any ruleset forbids them, which would break
	// ordinary guests.
	landlockRefer = 2
	// landlockScoped is the first that scopes abstract sockets and signals to
	// the process.
	landlockScoped = 6
)

// restrictFiles applies Landlock to all threads where the kernel has it.
func restrictFiles() error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno == unix.ENOSYS || errno == unix.EOPNOTSUPP {
		return nil // not built in, or off: the other walls stand
	}
	if errno != 0 {
		return fmt.Errorf("landlock: %w", errno)
	}
	if abi < landlockRefer {
		return nil
	}
	attr := unix.LandlockRulesetAttr{Access_fs: unix.LANDLOCK_ACCESS_FS_REFER}
	for _, r := range landlockRights {
		if int(abi) >= r.abi {
			attr.Access_fs |= r.access
		}
	}
	if abi >= landlockScoped {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	// An older kernel takes the longer structure as long as what it does not
	// know is zero.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("landlock ruleset: %w", errno)
	}
	defer unix.Close(int(fd))
	if err := permitRefer(int(fd)); err != nil {
		return fmt.Errorf("landlock rule: %w", err)
	}
	if err := allThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// permitRefer lets files move between directories everywhere below the root.
func permitRefer(ruleset int) error {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	rule := unix.LandlockPathBeneathAttr{
		Allowed_access: unix.LANDLOCK_ACCESS_FS_REFER,
		Parent_fd:      int32(root),
	}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset),
		unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
