// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Policy is a profile as this machine understands it.
type Policy struct {
	fallback uint32            // what a call without a rule gets: a SECCOMP_RET_ value
	calls    map[uint32][]rule // by a call's number
	log      bool              // SECCOMP_FILTER_FLAG_LOG
}

// rule answers a call when all tests hold. One without tests stands alone.
type rule struct {
	tests  []test
	action uint32
}

// test compares an argument, which has 64 bits.
type test struct {
	arg        uint
	op         operator
	mask, than uint64
}

type operator string

const (
	notEqual       operator = "SCMP_CMP_NE"
	less           operator = "SCMP_CMP_LT"
	lessOrEqual    operator = "SCMP_CMP_LE"
	equal          operator = "SCMP_CMP_EQ"
	greaterOrEqual operator = "SCMP_CMP_GE"
	greater        operator = "SCMP_CMP_GT"
	maskedEqual    operator = "SCMP_CMP_MASKED_EQ"
)

var operators = []operator{notEqual, less, lessOrEqual, equal, greaterOrEqual, greater, maskedEqual}

const (
	maxArgs = 6
	// maxErrno is the largest error the kernel hands to a caller (MAX_ERRNO).
	maxErrno = 4095
)

// actions are those a worker honours. Ending one thread of it would leave a
// process that can neither run nor end, so that is the process's end as well.
var actions = map[string]uint32{
	"SCMP_ACT_KILL":         unix.SECCOMP_RET_KILL_PROCESS,
	"SCMP_ACT_KILL_THREAD":  unix.SECCOMP_RET_KILL_PROCESS,
	"SCMP_ACT_KILL_PROCESS": unix.SECCOMP_RET_KILL_PROCESS,
	"SCMP_ACT_TRAP":         unix.SECCOMP_RET_TRAP,
	"SCMP_ACT_ERRNO":        unix.SECCOMP_RET_ERRNO,
	"SCMP_ACT_LOG":          unix.SECCOMP_RET_LOG,
	"SCMP_ACT_ALLOW":        unix.SECCOMP_RET_ALLOW,
}

// policy checks the profile and leaves out what is not for this machine.
func (p *profile) policy() (*Policy, error) {
	fallback, err := action(p.DefaultAction, p.DefaultErrnoRet, p.DefaultErrno)
	if err != nil {
		return nil, fmt.Errorf("defaultAction: %w", err)
	}
	if p.ListenerPath != "" || p.ListenerMetadata != "" {
		return nil, invalid("listenerPath: a listener for calls is not supported for Wasm containers")
	}
	policy := &Policy{fallback: fallback, calls: map[uint32][]rule{}}
	for _, flag := range p.Flags {
		switch flag {
		case "SECCOMP_FILTER_FLAG_LOG":
			policy.log = true
		case "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW":
			// Every thread is filtered anyway; and no mitigation is given up.
		default:
			return nil, invalid("flag %.64q is not supported for Wasm containers", flag)
		}
	}
	for i := range p.Syscalls {
		if err := policy.add(&p.Syscalls[i]); err != nil {
			return nil, fmt.Errorf("syscalls[%d]: %w", i, err)
		}
	}
	return policy, nil
}

// action reads an action with its error number.
func action(name string, ret *uint, errno string) (uint32, error) {
	value, ok := actions[name]
	switch {
	case name == "":
		return 0, invalid("an action is required")
	case name == "SCMP_ACT_NOTIFY" || name == "SCMP_ACT_TRACE":
		return 0, invalid("%s is not supported for Wasm containers: nobody traces a worker or answers for it", name)
	case !ok:
		return 0, invalid("%.64q is not an action", name)
	case name != "SCMP_ACT_ERRNO":
		if ret != nil || errno != "" {
			return 0, invalid("%s gives no error number", name)
		}
		return value, nil
	}
	number := uint(unix.EPERM)
	if ret != nil {
		number = *ret
	}
	if errno != "" {
		found, err := errnoOf(errno)
		if err != nil || ret != nil && found != *ret {
			return 0, invalid("error %.64q: not an error's name, or not the number beside it", errno)
		}
		number = found
	}
	if number > maxErrno {
		return 0, invalid("error number %d is larger than %d", number, maxErrno)
	}
	return value | uint32(number), nil
}

// errnoOf finds an error by its name, or by a number as text.
func errnoOf(name string) (uint, error) {
	for n := range uint(maxErrno) {
		if unix.ErrnoName(unix.Errno(n)) == name {
			return n, nil
		}
	}
	var n uint
	_, err := fmt.Sscanf(name, "%d", &n)
	return n, err
}

// add takes an entry over for each of its calls.
func (p *Policy) add(e *entry) error {
	act, err := action(e.Action, e.ErrnoRet, e.Errno)
	if err != nil {
		return err
	}
	names := e.Names
	if e.Name != "" {
		names = append(slices.Clone(names), e.Name)
	}
	if len(names) == 0 {
		return invalid("no calls are named")
	}
	alternatives, err := tests(e.Args)
	if err != nil {
		return err
	}
	meant, err := e.meant()
	if err != nil || !meant || act == p.fallback {
		return err
	}
	for _, name := range names {
		number, ok := numbers()[name]
		if !ok {
			continue // a call of another machine, or of another time
		}
		for _, tests := range alternatives {
			if err := p.addRule(number, rule{tests, act}); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func (p *Policy) addRule(number uint32, r rule) error {
	have := p.calls[number]
	switch {
	case len(have) == 1 && len(have[0].tests) == 0: // stands alone
		if len(r.tests) == 0 && r.action != have[0].action {
			return invalid("two rules give it different actions")
		}
		return nil
	case len(r.tests) == 0:
		p.calls[number] = []rule{r}
	default:
		p.calls[number] = append(have, r)
	}
	return nil
}

// tests reads an entry's conditions as alternatives, each of which must hold as
// a whole. That conditions on the same argument are alternatives is runc's
// reading, and what profiles are written for.
func tests(args []argument) ([][]test, error) {
	var all []test
	seen := map[uint]bool{}
	again := false
	for i, a := range args {
		if a.Index >= maxArgs {
			return nil, invalid("args[%d].index: a call has %d arguments", i, maxArgs)
		}
		op := operator(a.Op)
		if !slices.Contains(operators, op) {
			return nil, invalid("args[%d].op: %.64q is not a comparison", i, a.Op)
		}
		t := test{arg: a.Index, op: op, mask: ^uint64(0), than: a.Value}
		if op == maskedEqual {
			t.mask, t.than = a.Value, a.ValueTwo
		}
		again = again || seen[a.Index]
		seen[a.Index] = true
		all = append(all, t)
	}
	if !again {
		return [][]test{all}, nil
	}
	var each [][]test
	for _, t := range all {
		each = append(each, []test{t})
	}
	return each, nil
}

// meant says whether an entry is for a container without capabilities on this
// machine.
func (e *entry) meant() (bool, error) {
	kernel, err := atLeast(e.Includes.MinKernel)
	if err != nil || !kernel {
		return false, err
	}
	excluded := false
	if e.Excludes.MinKernel != "" {
		if excluded, err = atLeast(e.Excludes.MinKernel); err != nil {
			return false, err
		}
	}
	arches := len(e.Includes.Arches) == 0 || slices.Contains(e.Includes.Arches, goruntime.GOARCH)
	return arches && !excluded && len(e.Includes.Caps) == 0 && !slices.Contains(e.Excludes.Arches, goruntime.GOARCH), nil
}

// atLeast compares the running kernel's version, "4.8".
func atLeast(version string) (bool, error) {
	if version == "" {
		return true, nil
	}
	var major, minor int
	if n, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || n != 2 {
		return false, invalid("minKernel: %.64q is not a version of the kernel, such as 4.8", version)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return false, err
	}
	var haveMajor, haveMinor int
	release := unix.ByteSliceToString(uts.Release[:])
	if _, err := fmt.Sscanf(strings.ReplaceAll(release, "-", " "), "%d.%d", &haveMajor, &haveMinor); err != nil {
		return false, fmt.Errorf("kernel release %q: %w", release, err)
	}
	return haveMajor > major || haveMajor == major && haveMinor >= minor, nil
}
