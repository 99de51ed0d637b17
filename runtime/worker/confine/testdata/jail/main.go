// SPDX-License-Identifier: Apache-2.0

// Jail confines itself as a worker does and then tries one thing that a worker
// must not be able to do: jail SPEC ATTEMPT, with a container's spec in JSON or,
// for a compiler, its output directory. It prints how it went.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/confine"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

func main() {
	if err := shutIn(os.Args[1]); err != nil {
		fmt.Println("confine:", err)
		os.Exit(2)
	}
	attempt := attempts[os.Args[2]]
	if attempt == nil {
		fmt.Println("no such attempt")
		os.Exit(2)
	}
	// On another thread than the one that confined: the walls are for all.
	done := make(chan error)
	go func() {
		goruntime.LockOSThread()
		done <- attempt()
	}()
	if err := <-done; err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("it worked")
}

// shutIn confines this process as a container or a compiler.
func shutIn(what string) error {
	if !strings.HasPrefix(what, "{") {
		out, err := os.Open(what)
		if err != nil {
			return err
		}
		defer out.Close()
		return confine.Compiler(out, 65534, 65534, false)
	}
	var c spec.Container
	if err := json.Unmarshal([]byte(what), &c); err != nil {
		return err
	}
	_, err := confine.Container(&c, nil, nil)
	return err
}

// raw makes a system call and returns its error.
func raw(trap uintptr, args ...uintptr) func() error {
	return func() error {
		var a [6]uintptr
		copy(a[:], args)
		if _, _, errno := unix.Syscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
			return errno
		}
		return nil
	}
}

func str(s string) uintptr {
	b, err := unix.BytePtrFromString(s)
	if err != nil {
		panic(err)
	}
	return uintptr(unsafe.Pointer(b))
}

const (
	cwd     = ^uintptr(99) // AT_FDCWD
	tiocsti = 0x5412
)

var attempts = map[string]func() error{
	// What ends the process.
	"execve":        func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
	"execveat":      raw(unix.SYS_EXECVEAT, cwd, str("/bin/true"), 0, 0, 0),
	"ptrace":        raw(unix.SYS_PTRACE, unix.PTRACE_TRACEME),
	"mount":         func() error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "") },
	"umount":        func() error { return unix.Unmount("/proc", unix.MNT_DETACH) },
	"pivot_root":    func() error { return unix.PivotRoot("/", "/") },
	"chroot":        func() error { return unix.Chroot("/") },
	"open_tree":     raw(unix.SYS_OPEN_TREE, cwd, str("/"), unix.OPEN_TREE_CLONE),
	"fsopen":        raw(unix.SYS_FSOPEN, str("tmpfs"), 0),
	"mount_setattr": raw(unix.SYS_MOUNT_SETATTR, cwd, str("/"), 0, 0, 0),
	"setns":         raw(unix.SYS_SETNS, 0, 0),
	"unshare":       raw(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
	"bpf":           raw(unix.SYS_BPF),
	"perf":          raw(unix.SYS_PERF_EVENT_OPEN),
	"io_uring":      raw(unix.SYS_IO_URING_SETUP, 1, 0),
	"userfaultfd":   raw(unix.SYS_USERFAULTFD, 0),
	"keyctl":        raw(unix.SYS_KEYCTL),
	"setuid":        raw(unix.SYS_SETUID, 0),
	"capset":        raw(unix.SYS_CAPSET, 0, 0),
	"mknod":         raw(unix.SYS_MKNODAT, cwd, str("/device"), unix.S_IFCHR|0o666, 0x103),
	"handle":        raw(unix.SYS_OPEN_BY_HANDLE_AT),
	"vm_writev":     raw(unix.SYS_PROCESS_VM_WRITEV),
	"pidfd_getfd":   raw(unix.SYS_PIDFD_GETFD),
	"fork":          raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD)),
	"new pid space": raw(unix.SYS_CLONE, unix.CLONE_THREAD|unix.CLONE_VM|unix.CLONE_SIGHAND|unix.CLONE_NEWUSER),
	"reboot":        raw(unix.SYS_REBOOT),
	"sethostname":   raw(unix.SYS_SETHOSTNAME, str("x"), 1),
	"profile after seal": func() error {
		return errors.Join(confine.Seal(nil), raw(unix.SYS_LSM_SET_SELF_ATTR, 100)())
	},
	// On a machine without that profile: nothing has changed, and filters for all
	// threads are possible as before.
	"profile": func() error {
		if err := confine.ChangeProfile("wazelet-nowhere"); err == nil || !strings.Contains(err.Error(), "AppArmor profile wazelet-nowhere: ") {
			return fmt.Errorf("profile: %v", err)
		}
		return confine.Seal(nil)
	},
	"seccomp": raw(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0),

	// What answers with an error.
	"kill all":        func() error { return unix.Kill(-1, unix.SIGKILL) },
	"kill a neighbor": func() error { return unix.Kill(2, unix.SIGKILL) },
	"clone3":          raw(unix.SYS_CLONE3, 0, 0),
	"unknown call":    raw(0x3ffffff0),
	"netlink":         func() error { return socket(unix.AF_NETLINK) },
	"packet":          func() error { return socket(unix.AF_PACKET) },
	"vsock":           func() error { return socket(unix.AF_VSOCK) },
	"alg":             func() error { return socket(unix.AF_ALG) },
	"tiocsti":         raw(unix.SYS_IOCTL, 0, tiocsti, 0),
	"dumpable":        raw(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1),
	"raise limits":    raw(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, str("0000000000000000")),
	"chmod":           raw(unix.SYS_FCHMODAT, cwd, str("/tmp"), 0o777),
	"chown":           raw(unix.SYS_FCHOWNAT, cwd, str("/tmp"), 0, 0, 0),
	"memfd":           raw(unix.SYS_MEMFD_CREATE, str("x"), 0),
	"own memory":      func() error { return open("/proc/self/mem", unix.O_RDWR) },
	"own descriptors": func() error { return open("/proc/self/fd/0", unix.O_RDONLY) },
	"fifo":            func() error { return raw(unix.SYS_MKNODAT, cwd, str("/tmp/fifo"), unix.S_IFIFO|0o666, 0)() },
	"host memory":     func() error { return open("/hostproc/self/mem", unix.O_RDWR) },
	"sysctl":          func() error { return open("/hostproc/sys/kernel/core_pattern", unix.O_WRONLY) },
	"bind socket":     bindSocket,
	"abstract socket": abstractSocket,

	"executable after seal": func() error {
		if err := confine.Seal(nil); err != nil {
			return fmt.Errorf("seal: %w", err)
		}
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	},
	"mprotect after seal": func() error {
		b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return fmt.Errorf("mmap: %w", err)
		}
		if err := confine.Seal(nil); err != nil {
			return fmt.Errorf("seal: %w", err)
		}
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	},

	// What must go on working.
	"executable before seal": func() error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	},
	"write output":        func() error { return os.WriteFile("/out/file", nil, 0o644) },
	"write beside output": func() error { return os.WriteFile("/file", nil, 0o644) },
	"list the root": func() error {
		entries, err := os.ReadDir("/")
		if err != nil {
			return err
		}
		return fmt.Errorf("%v", entries)
	},
	"user": func() error {
		status := fmt.Sprint(unix.Getuid(), unix.Geteuid(), unix.Getgid(), unix.Getegid())
		return errors.New(status)
	},
	"reach out": func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Port: 53, Addr: [4]byte{192, 0, 2, 1}})
	},
	"tcp":  func() error { return socket(unix.AF_INET) },
	"tcp6": func() error { return socket(unix.AF_INET6) },
	"unix": func() error { return socket(unix.AF_UNIX) },
	"rename across directories": func() error {
		for _, dir := range []string{"/tmp/a", "/tmp/b"} {
			if err := unix.Mkdir(dir, 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile("/tmp/a/file", nil, 0o644); err != nil {
			return err
		}
		if err := os.Link("/tmp/a/file", "/tmp/b/link"); err != nil {
			return err
		}
		return os.Rename("/tmp/a/file", "/tmp/b/file")
	},
	"new threads": func() error {
		done := make(chan struct{})
		for range 8 {
			go func() {
				goruntime.LockOSThread()
				done <- struct{}{}
			}()
		}
		for range 8 {
			<-done
		}
		return nil
	},
	"signal itself": func() error { return unix.Kill(unix.Getpid(), unix.SIGURG) },
	"collect": func() error {
		goruntime.GC()
		return nil
	},
}

func socket(family int) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func open(name string, how int) error {
	fd, err := unix.Open(name, how, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// bindSocket makes a socket file, which Landlock forbids.
func bindSocket() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrUnix{Name: "/tmp/socket"})
}

// abstractSocket connects to one that the test listens on in the same network
// namespace.
func abstractSocket() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + os.Args[3]})
}
