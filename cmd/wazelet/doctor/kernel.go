// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newKernel is what to do about a kernel that lacks a feature.
const newKernel = "Run Linux 5.12 or newer, in a build that has this feature (most distributions' kernels do)."

func checkPrivilege(context.Context, Options) []Finding {
	if os.Geteuid() != 0 {
		return warn("not examined as root: some findings below are about this user, not about the daemon",
			"Run `sudo wazelet doctor`.")
	}
	return ok("examined as root")
}

func checkKernel(context.Context, Options) []Finding {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fail("uname: "+err.Error(), newKernel)
	}
	release := unix.ByteSliceToString(name.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return warn(fmt.Sprintf("kernel %q has no readable version", release), newKernel)
	}
	if major < 5 || major == 5 && minor < 12 {
		return warn(fmt.Sprintf("Linux %s is older than what Wazelet is tested on", release), newKernel)
	}
	return ok("Linux %s, %s", release, unix.ByteSliceToString(name.Machine[:]))
}

// checkNamespaces clones into the namespaces of a worker.
func checkNamespaces(context.Context, Options) []Finding {
	flags := uintptr(unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET)
	if err := tryClone(&syscall.SysProcAttr{Cloneflags: flags}); err != nil {
		mend := "Give wazelet CAP_SYS_ADMIN: it runs as root, outside unprivileged containers."
		if errors.Is(err, unix.ENOSPC) {
			mend = "Raise the limits in /proc/sys/user/max_*_namespaces."
		}
		return fail("mount, pid, ipc, uts and net namespaces cannot be made: "+err.Error(), mend)
	}
	return ok("mount, pid, ipc, uts and net namespaces can be made")
}

// checkUserNamespaces clones into a user namespace as `wazelet run` does for a
// user who is not root.
func checkUserNamespaces(context.Context, Options) []Finding {
	attr := &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if err := tryClone(attr); err != nil {
		return warn("user namespaces cannot be made ("+err.Error()+"): `wazelet run` needs root",
			"Set the sysctls user.max_user_namespaces above 0, and kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0 where they exist.")
	}
	return ok("user namespaces can be made: `wazelet run` works without root")
}

// tryClone clones a process with these attributes. The program it is to become
// does not exist: that the child gets as far as finding this out is the proof
// that it was made.
func tryClone(attr *syscall.SysProcAttr) error {
	pid, err := syscall.ForkExec("/proc/self/fd/no-such-program", []string{"probe"}, &syscall.ProcAttr{Sys: attr})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	if err == nil {
		return fmt.Errorf("process %d is a program that does not exist", pid)
	}
	return err
}

func checkPidfd(context.Context, Options) []Finding {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fail("pidfd_open: "+err.Error()+": the ends of containers cannot be watched", newKernel)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
		return fail("pidfd_send_signal: "+err.Error()+": containers cannot be stopped safely", newKernel)
	}
	return ok("processes can be watched and signalled by descriptor")
}

// checkMounts asks for the file systems and calls that containers' roots are
// built with.
func checkMounts(_ context.Context, o Options) []Finding {
	kinds := []string{"tmpfs"}
	if o.Config.Image.Snapshotter == "overlay" {
		kinds = append(kinds, "overlay")
	}
	var findings []Finding
	for _, kind := range kinds {
		findings = append(findings, examineFileSystem(kind)...)
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	if fd, err := unix.Openat2(unix.AT_FDCWD, "/", &how); err != nil {
		findings = append(findings, fail("openat2: "+err.Error()+": paths cannot be held inside a root", newKernel)...)
	} else {
		unix.Close(fd)
	}
	// A change of nothing, nowhere: any error but ENOSYS is from a kernel that has it.
	if err := unix.MountSetattr(-1, "", 0, &unix.MountAttr{}); errors.Is(err, unix.ENOSYS) {
		findings = append(findings, fail("mount_setattr: "+err.Error()+": mounts cannot be made read-only", newKernel)...)
	}
	if findings == nil {
		return ok("containers' roots can be built (%s, openat2, mount_setattr)", strings.Join(kinds, ", "))
	}
	return findings
}

// examineFileSystem asks the kernel for a file system by its name, through the
// calls that workers mount with.
func examineFileSystem(kind string) []Finding {
	fd, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	switch {
	case err == nil:
		unix.Close(fd)
		return nil
	case errors.Is(err, unix.ENODEV) && kind == "overlay":
		return fail("the kernel does not have the overlay file system",
			"Load it (`modprobe overlay`, and name it in /etc/modules-load.d), or set image.snapshotter = \"native\".")
	case errors.Is(err, unix.EPERM):
		return warn("fsopen "+kind+": "+err.Error()+": this user may not ask", "Run `sudo wazelet doctor`.")
	}
	return fail("fsopen "+kind+": "+err.Error()+": containers' roots cannot be built", newKernel)
}

func checkSeccomp(context.Context, Options) []Finding {
	action := uint32(unix.SECCOMP_RET_KILL_PROCESS)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return fail("seccomp: "+errno.Error()+": workers cannot be confined", "Run a kernel built with CONFIG_SECCOMP_FILTER.")
	}
	return ok("workers' system calls can be filtered")
}

func checkLandlock(context.Context, Options) []Finding {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return warn("landlock: "+errno.Error()+": workers have one wall less (the mount namespace and seccomp remain)",
			"Run Linux 5.13 or newer with `landlock` among the security modules (the lsm= boot parameter).")
	}
	return ok("Landlock version %d", version)
}

// checkExecutableMemory does what the engine does with machine code: write it
// to anonymous memory, then make that executable.
func checkExecutableMemory(context.Context, Options) []Finding {
	mend := "Allow it: with SELinux, the execmem permission for wazelet-worker; under systemd, MemoryDenyWriteExecute=no."
	memory, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fail("mmap: "+err.Error(), mend)
	}
	defer unix.Munmap(memory) //nolint:errcheck // one page of a process that is about to end
	memory[0] = 0
	if err := unix.Mprotect(memory, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return fail("memory cannot be made executable: "+err.Error()+": compiled modules cannot run", mend)
	}
	return ok("memory can be made executable: compiled modules can run")
}
