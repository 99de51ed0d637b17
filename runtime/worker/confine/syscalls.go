// SPDX-License-Identifier: Apache-2.0

package confine

import "golang.org/x/sys/unix"

// rules returns the answers for a process whose id is pid.
func rules(pid int) []rule {
	all := make([]rule, 0, 256)
	add := func(answer uint32, lists ...[]uint32) {
		for _, list := range lists {
			for _, nr := range list {
				all = append(all, rule{nr: nr, otherwise: answer})
			}
		}
	}
	add(allow, runtimeCalls, fileCalls, socketCalls, archCalls)
	all = append(all, checkedCalls(uint32(pid))...)
	add(kill, dangerousCalls, archDangerousCalls)
	return all
}

// runtimeCalls are what the Go runtime and the engine live on.
var runtimeCalls = []uint32{
	unix.SYS_FUTEX, unix.SYS_EPOLL_PWAIT, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_GETRANDOM,
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MREMAP, unix.SYS_BRK,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_RESTART_SYSCALL, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_UNAME, unix.SYS_GETRUSAGE,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
}

// fileCalls are what a guest's files need. There is no way in them to make a
// device, change an owner or a mode, or name a file by its handle.
var fileCalls = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV,
	unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2,
	unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_LSEEK, unix.SYS_OPENAT, unix.SYS_OPENAT2,
	unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_FSTATFS, unix.SYS_STATFS, unix.SYS_GETDENTS64,
	unix.SYS_FTRUNCATE, unix.SYS_TRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE,
	unix.SYS_FADVISE64, unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE,
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_SYMLINKAT,
	unix.SYS_READLINKAT, unix.SYS_UTIMENSAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_GETCWD,
	unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PPOLL, unix.SYS_PSELECT6,
	unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH,
}

// socketCalls are what a guest's sockets need, but for making one.
var socketCalls = []uint32{
	unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_CONNECT, unix.SYS_SHUTDOWN,
	unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT,
	unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG,
}

// threadFlags are what the Go runtime clones a thread with, and what it may.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
	unix.CLONE_SYSVSEM | unix.CLONE_THREAD | unix.CLONE_SETTLS |
	unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_SETTID | unix.CLONE_CHILD_CLEARTID

// ioctl requests that x/sys/unix does not name (ioctl_list(2)).
const (
	fionread = 0x541b
	fionbio  = 0x5421
)

// checkedCalls are allowed with some arguments only.
func checkedCalls(pid uint32) []rule {
	const all = 0xffffffff
	noSuchFamily := unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)
	invalid := unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)
	return []rule{
		// A thread, never a process or a namespace.
		{unix.SYS_CLONE, []check{
			{arg: 0, mask: unix.CLONE_THREAD, value: unix.CLONE_THREAD},
			{arg: 0, mask: all &^ threadFlags, value: 0, whole: true},
		}, kill},
		// Signals to itself.
		{unix.SYS_TGKILL, []check{{arg: 0, mask: all, value: pid}}, denied},
		{unix.SYS_KILL, []check{{arg: 0, mask: all, value: pid}}, denied},
		{unix.SYS_SOCKET, []check{{arg: 0, mask: all, values: []uint32{unix.AF_INET, unix.AF_INET6, unix.AF_UNIX}}}, noSuchFamily},
		{unix.SYS_SOCKETPAIR, []check{{arg: 0, mask: all, value: unix.AF_UNIX}}, noSuchFamily},
		// Names for the runtime's memory, in /proc/PID/maps; how exact a thread's timers are.
		{unix.SYS_PRCTL, []check{{arg: 0, mask: all, values: []uint32{unix.PR_SET_VMA, unix.PR_SET_TIMERSLACK}}}, invalid},
		{unix.SYS_FCNTL, []check{{arg: 1, mask: all, values: []uint32{
			unix.F_GETFL, unix.F_SETFL, unix.F_GETFD, unix.F_SETFD, unix.F_DUPFD, unix.F_DUPFD_CLOEXEC,
		}}}, invalid},
		// Is it a terminal, how large, how much is waiting; and resizing it for
		// its user. Never TIOCSTI, which types into the caller's terminal.
		{unix.SYS_IOCTL, []check{{arg: 1, mask: all, values: []uint32{
			unix.TCGETS, unix.TIOCGWINSZ, unix.TIOCSWINSZ, fionread, fionbio,
		}}}, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOTTY)},
		// One more filter, which can only take away: see Seal.
		{unix.SYS_SECCOMP, []check{
			{arg: 0, mask: all, value: unix.SECCOMP_SET_MODE_FILTER},
			{arg: 1, mask: all, values: []uint32{
				0, unix.SECCOMP_FILTER_FLAG_TSYNC, unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_LOG,
			}},
		}, kill},
		// Another AppArmor profile, until Seal.
		{unix.SYS_LSM_SET_SELF_ATTR, []check{{arg: 0, mask: all, value: attrCurrent, whole: true}}, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		// Its own limits, to read.
		{unix.SYS_PRLIMIT64, []check{
			{arg: 0, mask: all, value: 0},
			{arg: 2, mask: all, value: 0, whole: true},
		}, denied},
	}
}

// dangerousCalls mean that somebody else is in control.
var dangerousCalls = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE,
	unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP,
	unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
	unix.SYS_SETNS, unix.SYS_UNSHARE, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
	unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_SETGROUPS, unix.SYS_CAPSET, unix.SYS_PERSONALITY,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_MKNODAT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_FANOTIFY_INIT, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_VHANGUP,
}
