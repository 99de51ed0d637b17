// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// filterSyscalls allows every thread what a WebAssembly host needs and no
// more. What the kernel offers for changing namespaces, starting programs,
// tracing or loading code kills the process: no honest guest can cause it.
// Anything else unknown answers as on a kernel without it.
func filterSyscalls() error {
	return install(assemble(rules(os.Getpid()), unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)))
}

// Seal forbids making memory executable, for good: everything that will ever
// run has been loaded. It comes after the last module, before the first guest.
// The pod's own filter, if it has one, is the last thing put in force.
func Seal(own *spec.Seccomp) error {
	const protArg = 2
	noExec := []check{{arg: protArg, mask: unix.PROT_EXEC, value: 0}}
	last := []rule{
		{nr: unix.SYS_MMAP, checks: noExec, otherwise: denied},
		{nr: unix.SYS_MPROTECT, checks: noExec, otherwise: denied},
		{nr: unix.SYS_PKEY_MPROTECT, checks: noExec, otherwise: denied},
		{nr: unix.SYS_LSM_SET_SELF_ATTR, otherwise: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	}
	if own == nil {
		last = append(last, rule{nr: unix.SYS_SECCOMP, otherwise: kill})
	}
	if err := install(assemble(last, unix.SECCOMP_RET_ALLOW)); err != nil || own == nil {
		return err
	}
	filters := make([]unix.SockFilter, len(own.Filter))
	for i, ins := range own.Filter {
		filters[i] = unix.SockFilter{Code: ins.Code, Jt: ins.True, Jf: ins.False, K: ins.K}
	}
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC)
	if own.Log {
		flags |= unix.SECCOMP_FILTER_FLAG_LOG
	}
	return enforce(filters, flags)
}

// ForbidDialing leaves the process the sockets it has: it can make no other and
// connect none. It comes before Seal. Where a datagram goes a filter cannot see:
// the guest's host decides that (wasi.Options.AnswersOnly).
func ForbidDialing() error {
	noAccess := unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)
	return install(assemble([]rule{
		{nr: unix.SYS_SOCKET, otherwise: noAccess},
		{nr: unix.SYS_CONNECT, otherwise: noAccess},
	}, unix.SECCOMP_RET_ALLOW))
}

// Answers of the filter.
const (
	allow  = unix.SECCOMP_RET_ALLOW
	kill   = unix.SECCOMP_RET_KILL_PROCESS
	denied = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
)

// rule answers one system call: allow when all checks hold, otherwise what
// otherwise says. Without checks it answers otherwise, which is allow for an
// ordinary call.
type rule struct {
	nr        uint32
	checks    []check
	otherwise uint32
}

// check looks at the low half of an argument: arg & mask must be value, or
// one of values. With whole, the high half must be zero.
type check struct {
	arg    int
	mask   uint32
	value  uint32
	values []uint32
	whole  bool
}

// Offsets in struct seccomp_data (seccomp(2)), on little-endian machines.
const (
	offsetNr   = 0
	offsetArch = 4
	offsetArgs = 16
)

// program is a classic BPF program in the kernel's terms (linux/filter.h).
type program []unix.SockFilter

// Operations.
const (
	opLoad    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd     = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opJump    = unix.BPF_JMP | unix.BPF_JA
	opIfEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opIfFrom  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opReturn  = unix.BPF_RET | unix.BPF_K
)

// maxSkip is how far a conditional jump reaches.
const maxSkip = 255

// add adds an instruction. A conditional one jumps over yes or no others.
func (p *program) add(op uint16, k uint32, yes, no uint8) {
	*p = append(*p, unix.SockFilter{Code: op, Jt: yes, Jf: no, K: k})
}

func (p *program) answer(action uint32) { p.add(opReturn, action, 0, 0) }

// assemble writes the program. Of several rules for one call the first counts.
func assemble(rules []rule, fallback uint32) program {
	sorted := inOrder(rules)
	p := make(program, 0, 4*len(sorted)+64)
	p.add(opLoad, offsetArch, 0, 0)
	p.add(opIfEqual, auditArch, 1, 0)
	p.answer(kill) // another machine's numbers mean other calls
	p.add(opLoad, offsetNr, 0, 0)
	// The x32 numbers of amd64, which bypass a filter of plain ones.
	p.add(opIfFrom, 0x40000000, 0, 1)
	p.answer(kill)
	p.search(sorted, fallback)
	return p
}

// inOrder returns the rules in the order of their numbers, which are small, the first of
// several for one.
func inOrder(rules []rule) []*rule {
	last := uint32(0)
	for i := range rules {
		last = max(last, rules[i].nr)
	}
	byNumber := make([]*rule, last+1)
	for i := range rules {
		if r := &rules[i]; byNumber[r.nr] == nil {
			byNumber[r.nr] = r
		}
	}
	return slices.DeleteFunc(byNumber, func(r *rule) bool { return r == nil })
}

// fewRules are compared one after the other.
const fewRules = 4

// search writes the search for a call among rules that are in the order of their numbers.
// It always returns. A kernel runs a filter for every number there is when it is put in
// force, to keep the plain answers; halving is what makes that quick.
func (p *program) search(rules []*rule, fallback uint32) {
	if len(rules) > fewRules {
		middle := len(rules) / 2
		p.add(opIfFrom, rules[middle].nr, 0, 1)
		p.add(opJump, 0, 0, 0)
		over := len(*p)
		p.search(rules[:middle], fallback)
		(*p)[over-1].K = uint32(len(*p) - over)
		p.search(rules[middle:], fallback)
		return
	}
	for _, r := range rules {
		p.add(opIfEqual, r.nr, 0, 0)
		body := len(*p)
		p.rule(r)
		(*p)[body-1].Jf = skip(len(*p) - body)
	}
	p.answer(fallback)
}

// skip is a distance that a conditional jump reaches: those of rules do, whatever they
// check.
func skip(n int) uint8 {
	if n > maxSkip {
		panic(fmt.Sprintf("seccomp: a rule of %d instructions", n))
	}
	return uint8(n)
}

// rule writes the rule's body, which always returns.
func (p *program) rule(r *rule) {
	if len(r.checks) == 0 {
		p.answer(r.otherwise)
		return
	}
	for _, c := range r.checks {
		p.check(c, r.otherwise)
	}
	p.answer(allow)
}

// check writes a check that falls through when it holds.
func (p *program) check(c check, otherwise uint32) {
	low := uint32(offsetArgs + 8*c.arg)
	if c.whole {
		p.add(opLoad, low+4, 0, 0)
		p.add(opIfEqual, 0, 1, 0)
		p.answer(otherwise)
	}
	p.add(opLoad, low, 0, 0)
	p.add(opAnd, c.mask, 0, 0)
	values := c.values
	if values == nil {
		values = []uint32{c.value}
	}
	for i, v := range values {
		p.add(opIfEqual, v, skip(len(values)-i), 0)
	}
	p.answer(otherwise)
}

// install puts the program in force on all threads at once.
func install(p program) error {
	return enforce(p, unix.SECCOMP_FILTER_FLAG_TSYNC)
}

func enforce(filters []unix.SockFilter, flags uintptr) error {
	if len(filters) == 0 {
		return errors.New("seccomp: empty filter")
	}
	prog := unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]}
	tid, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if tid != 0 {
		return fmt.Errorf("seccomp: thread %d could not be confined", tid)
	}
	return nil
}
