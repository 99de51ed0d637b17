// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"fmt"
	"os"
	goruntime "runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// nextLabel is where a thread says which SELinux label the program has that it
// executes next (selinux(8), proc_pid_attr(5)).
const nextLabel = "/proc/thread-self/attr/exec"

// Become builds c's root, enters it, and executes this program anew with the SELinux
// label of c, with argv and the descriptors that are not closed on exec. It returns
// only an error, after which the process is in an undefined state and must exit.
//
// SELinux lets a process of several threads change its label in no other way, and
// a container's forbids the mounts that make its root.
func Become(c *spec.Container, module *os.File, passed []*os.File, argv []string) error {
	goruntime.LockOSThread() // the label is this thread's
	if err := os.WriteFile(nextLabel, []byte(c.ProcessLabel), 0); err != nil {
		return spec.Failf(spec.FailedPrecondition, "SELinux label %s: %w", c.ProcessLabel, err)
	}
	processes, err := enter(c, module, passed)
	if err != nil {
		return err
	}
	defer processes.Close()
	// The one way to this program from here. The root must not stay there: [Entered].
	if err := unix.Fchdir(processes.fd); err != nil {
		return fmt.Errorf("procfs: %w", err)
	}
	err = syscall.Exec("self/exe", argv, os.Environ())
	return spec.Failf(spec.FailedPrecondition, "SELinux label %s: cannot be entered with the worker's program: %w", c.ProcessLabel, err)
}

// Entered shuts in a process that has become c ([Become]). Its procfs is handed in.
func Entered(c *spec.Container, procfs *os.File) (*Loader, error) {
	return inside(procfs, identity{c.UID, c.GID, c.Groups, c.Rootless})
}
