// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// holds applies a test to a call's arguments.
func (t test) holds(args [maxArgs]uint64) bool {
	value := args[t.arg] & t.mask
	switch t.op {
	case notEqual:
		return value != t.than
	case less:
		return value < t.than
	case lessOrEqual:
		return value <= t.than
	case greaterOrEqual:
		return value >= t.than
	case greater:
		return value > t.than
	default: // equal, maskedEqual
		return value == t.than
	}
}

// answer is what the policy says to a call.
func (p *Policy) answer(number uint32, args [maxArgs]uint64) uint32 {
	for _, r := range p.calls[number] {
		if !slices.ContainsFunc(r.tests, func(t test) bool { return !t.holds(args) }) {
			return r.action
		}
	}
	return p.fallback
}

// allows says whether a call is always let through: whatever its arguments are,
// or with these if they are known.
func (p *Policy) allows(number uint32, known *[maxArgs]uint64) bool {
	passes := func(action uint32) bool {
		return action == unix.SECCOMP_RET_ALLOW || action == unix.SECCOMP_RET_LOG
	}
	if known != nil {
		return passes(p.answer(number, *known))
	}
	rules := p.calls[number]
	for _, r := range rules {
		if !passes(r.action) {
			return false
		}
	}
	return len(rules) == 1 && len(rules[0].tests) == 0 || passes(p.fallback)
}

// check refuses a policy that keeps the worker from what it lives on. Its
// runtime would crash, or wait for ever.
func (p *Policy) check() error {
	var missing []string
	for _, n := range needs {
		if !p.allows(n.number, n.args) {
			missing = append(missing, n.name)
		}
	}
	if len(missing) > 0 {
		return invalid("does not allow what every Wasm container needs: %s", strings.Join(missing, ", "))
	}
	return nil
}

// need is a call that a worker makes whatever its guest does.
type need struct {
	name   string
	number uint32
	args   *[maxArgs]uint64 // nil: any
}

// threadFlags are what the Go runtime clones a thread with.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD

// needs are the calls of the Go runtime, of the log, the control socket and the
// exit record, and how every guest waits and gets its randomness. Any other is
// the guest's business, which gets the error.
var needs = []need{
	{"accept4", unix.SYS_ACCEPT4, nil},
	{"clone", unix.SYS_CLONE, &[maxArgs]uint64{threadFlags}},
	{"clock_gettime", unix.SYS_CLOCK_GETTIME, nil}, // where the machine's clock is none for the vDSO
	{"close", unix.SYS_CLOSE, nil},
	{"epoll_ctl", unix.SYS_EPOLL_CTL, nil},
	{"epoll_pwait", unix.SYS_EPOLL_PWAIT, nil},
	{"exit", unix.SYS_EXIT, nil}, // of a thread
	{"exit_group", unix.SYS_EXIT_GROUP, nil},
	{"fcntl", unix.SYS_FCNTL, nil},
	{"futex", unix.SYS_FUTEX, nil},
	{"getpid", unix.SYS_GETPID, nil},
	{"getsockname", unix.SYS_GETSOCKNAME, nil},
	{"getrandom", unix.SYS_GETRANDOM, nil},
	{"getsockopt", unix.SYS_GETSOCKOPT, nil},
	{"gettid", unix.SYS_GETTID, nil},
	{"madvise", unix.SYS_MADVISE, nil},
	{"mmap", unix.SYS_MMAP, nil},
	{"mprotect", unix.SYS_MPROTECT, nil},
	{"munmap", unix.SYS_MUNMAP, nil},
	{"nanosleep", unix.SYS_NANOSLEEP, nil},
	{"ppoll", unix.SYS_PPOLL, nil},
	{"pwrite64", unix.SYS_PWRITE64, nil},
	{"read", unix.SYS_READ, nil},
	{"recvmsg", unix.SYS_RECVMSG, nil},
	{"rt_sigaction", unix.SYS_RT_SIGACTION, nil},
	{"rt_sigprocmask", unix.SYS_RT_SIGPROCMASK, nil},
	{"rt_sigreturn", unix.SYS_RT_SIGRETURN, nil},
	{"sched_yield", unix.SYS_SCHED_YIELD, nil},
	{"sendmsg", unix.SYS_SENDMSG, nil},
	{"sigaltstack", unix.SYS_SIGALTSTACK, nil},
	{"tgkill", unix.SYS_TGKILL, nil},
	{"write", unix.SYS_WRITE, nil},
}
