// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
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

// assemble writes the program. Of several rules for one call the first counts.
func assemble(rules []rule, fallback uint32) []bpf.Instruction {
	sorted := slices.Clone(rules)
	slices.SortStableFunc(sorted, func(a, b rule) int { return cmp.Compare(a.nr, b.nr) })
	sorted = slices.CompactFunc(sorted, func(a, b rule) bool { return a.nr == b.nr })
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: kill}, // another machine's numbers mean other calls
		bpf.LoadAbsolute{Off: offsetNr, Size: 4},
		// The x32 numbers of amd64, which bypass a filter of plain ones.
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: 0x40000000, SkipTrue: 1},
		bpf.RetConstant{Val: kill},
	}, search(sorted, fallback)...)
}

// fewRules are compared one after the other.
const fewRules = 4

// search writes the search for a call among rules that are in the order of their numbers.
// It always returns. A kernel runs a filter for every number there is when it is put in
// force, to keep the plain answers; halving is what makes that quick.
func search(rules []rule, fallback uint32) []bpf.Instruction {
	if len(rules) > fewRules {
		middle := len(rules) / 2
		below, above := search(rules[:middle], fallback), search(rules[middle:], fallback)
		program := []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: rules[middle].nr, SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(below))},
		}
		return append(append(program, below...), above...)
	}
	var program []bpf.Instruction
	for _, r := range rules {
		body := r.assemble()
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: r.nr, SkipFalse: uint8(len(body))})
		program = append(program, body...)
	}
	return append(program, bpf.RetConstant{Val: fallback})
}

// assemble writes the rule's body, which always returns.
func (r rule) assemble() []bpf.Instruction {
	otherwise := r.otherwise
	if len(r.checks) == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: otherwise}}
	}
	var body []bpf.Instruction
	for _, c := range r.checks {
		body = append(body, c.assemble(otherwise)...)
	}
	return append(body, bpf.RetConstant{Val: allow})
}

// assemble writes a check that falls through when it holds.
func (c check) assemble(otherwise uint32) []bpf.Instruction {
	low := uint32(offsetArgs + 8*c.arg)
	var code []bpf.Instruction
	if c.whole {
		code = append(code,
			bpf.LoadAbsolute{Off: low + 4, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
			bpf.RetConstant{Val: otherwise})
	}
	code = append(code,
		bpf.LoadAbsolute{Off: low, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask})
	values := c.values
	if values == nil {
		values = []uint32{c.value}
	}
	for i, v := range values {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(values) - i)})
	}
	return append(code, bpf.RetConstant{Val: otherwise})
}

// install puts the program in force on all threads at once.
func install(program []bpf.Instruction) error {
	filters, err := sockFilters(program)
	if err != nil {
		return err
	}
	return enforce(filters, unix.SECCOMP_FILTER_FLAG_TSYNC)
}

// sockFilters is a program in the kernel's terms.
func sockFilters(program []bpf.Instruction) ([]unix.SockFilter, error) {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	filters := make([]unix.SockFilter, len(raw))
	for i, ins := range raw {
		filters[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return filters, nil
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
