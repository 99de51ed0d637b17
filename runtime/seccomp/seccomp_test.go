// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func parse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const errnoRet = uint32(unix.SECCOMP_RET_ERRNO)

func TestWhatAProfileMeans(t *testing.T) {
	p := parse(t, `{
		"defaultAction": "SCMP_ACT_ALLOW",
		"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
		"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
		"flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
		"syscalls": [
			{"names": ["mkdirat", "no_such_call", "stat64"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
			{"name": "fchmodat", "action": "SCMP_ACT_ERRNO"},
			{"names": ["fchownat"], "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS"},
			{"names": ["fsync"], "action": "SCMP_ACT_KILL"},
			{"names": ["fdatasync"], "action": "SCMP_ACT_KILL_PROCESS"},
			{"names": ["sync"], "action": "SCMP_ACT_TRAP"},
			{"names": ["getuid"], "action": "SCMP_ACT_LOG"},
			{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]},
			{"names": ["listen"], "action": "SCMP_ACT_ERRNO", "args": [
				{"index": 0, "value": 5, "op": "SCMP_CMP_GE"}, {"index": 1, "value": 7, "op": "SCMP_CMP_LT"}]},
			{"names": ["shutdown"], "action": "SCMP_ACT_ERRNO", "args": [
				{"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]},
			{"names": ["dup"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
			{"names": ["dup"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9},
			{"names": ["dup3"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
			{"names": ["pipe2"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
			{"names": ["mremap"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "99.0"}},
			{"names": ["mlock"], "action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "4.8", "arches": ["amd64", "arm64"]}},
			{"names": ["munlock"], "action": "SCMP_ACT_ERRNO", "excludes": {"minKernel": "4.8"}},
			{"names": ["mlockall"], "action": "SCMP_ACT_ERRNO", "includes": {"arches": ["s390x"]}}
		]
	}`)
	if !p.log {
		t.Error("the flag to log is lost")
	}
	allow := uint32(unix.SECCOMP_RET_ALLOW)
	for _, c := range []struct {
		call string
		args [maxArgs]uint64
		want uint32
	}{
		{"mkdirat", [6]uint64{}, errnoRet | 13},
		{"fchmodat", [6]uint64{}, errnoRet | uint32(unix.EPERM)},
		{"fchownat", [6]uint64{}, errnoRet | uint32(unix.ENOSYS)},
		{"fsync", [6]uint64{}, unix.SECCOMP_RET_KILL_PROCESS},
		{"fdatasync", [6]uint64{}, unix.SECCOMP_RET_KILL_PROCESS},
		{"sync", [6]uint64{}, unix.SECCOMP_RET_TRAP},
		{"getuid", [6]uint64{}, unix.SECCOMP_RET_LOG},
		{"read", [6]uint64{}, allow},
		{"socket", [6]uint64{40}, errnoRet | 1},
		{"socket", [6]uint64{2}, allow},
		{"socket", [6]uint64{1<<32 | 40}, allow},
		{"listen", [6]uint64{5, 6}, errnoRet | 1},
		{"listen", [6]uint64{4, 6}, allow},
		{"listen", [6]uint64{5, 7}, allow},
		{"shutdown", [6]uint64{0, 1}, errnoRet | 1},
		{"shutdown", [6]uint64{0, 2}, errnoRet | 1},
		{"shutdown", [6]uint64{0, 0}, allow},
		{"dup", [6]uint64{1}, errnoRet | 9},
		{"dup3", [6]uint64{}, allow},
		{"pipe2", [6]uint64{}, errnoRet | 1},
		{"mremap", [6]uint64{}, allow},
		{"mlock", [6]uint64{}, errnoRet | 1},
		{"munlock", [6]uint64{}, allow},
		{"mlockall", [6]uint64{}, allow},
	} {
		number, ok := numbers()[c.call]
		if !ok {
			t.Fatalf("no call %s", c.call)
		}
		if got := p.answer(number, c.args); got != c.want {
			t.Errorf("%s %v: %#x, want %#x", c.call, c.args, got, c.want)
		}
	}
}

func TestRefusedProfiles(t *testing.T) {
	rule := func(fields string) string {
		return `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["dup"], ` + fields + `}]}`
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":          {``, "EOF"},
		"no JSON":          {`SCMP_ACT_ALLOW`, "invalid character"},
		"something after":  {`{"defaultAction": "SCMP_ACT_ALLOW"} {}`, "follows"},
		"no default":       {`{}`, "defaultAction: an action is required"},
		"misspelt field":   {`{"defaultAction": "SCMP_ACT_ALLOW", "sycalls": []}`, `unknown field "sycalls"`},
		"unknown action":   {rule(`"action": "SCMP_ACT_MAYBE"`), `"SCMP_ACT_MAYBE" is not an action`},
		"notify":           {rule(`"action": "SCMP_ACT_NOTIFY"`), "SCMP_ACT_NOTIFY is not supported"},
		"trace":            {rule(`"action": "SCMP_ACT_TRACE", "errnoRet": 1`), "SCMP_ACT_TRACE is not supported"},
		"listener":         {`{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x"}`, "listenerPath"},
		"flag":             {`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}`, "NEW_LISTENER"},
		"no calls":         {`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]}`, "syscalls[0]: no calls"},
		"error number":     {rule(`"action": "SCMP_ACT_ERRNO", "errnoRet": 4096`), "4096"},
		"error's name":     {rule(`"action": "SCMP_ACT_ERRNO", "errno": "EWHAT"`), "EWHAT"},
		"two numbers":      {rule(`"action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "ENOSYS"`), "ENOSYS"},
		"number of a kill": {rule(`"action": "SCMP_ACT_KILL", "errnoRet": 1`), "no error number"},
		"seventh argument": {rule(`"action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]`), "args[0].index"},
		"comparison":       {rule(`"action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "op": "=="}]`), `"==" is not a comparison`},
		"negative":         {rule(`"action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]`), "value"},
		"kernel":           {rule(`"action": "SCMP_ACT_ERRNO", "includes": {"minKernel": "new"}`), "minKernel"},
		"contradiction": {`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
			{"names": ["dup"], "action": "SCMP_ACT_ERRNO"}, {"names": ["dup"], "action": "SCMP_ACT_KILL"}]}`, "dup: two rules"},
		"too large": {strings.Repeat(" ", MaxProfile+1), "larger than"},
	} {
		_, err := Parse([]byte(c.text))
		if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestProfileThatStopsTheWorker(t *testing.T) {
	p := parse(t, `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["futex", "mkdirat"], "action": "SCMP_ACT_ERRNO"},
		{"names": ["write"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}]}`)
	_, err := p.Compile()
	if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "every Wasm container needs: futex, write") {
		t.Errorf("%v", err)
	}
	// As Docker's does: threads, but no namespaces.
	p = parse(t, allowing(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
		{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}`, "clone"))
	if _, err := p.Compile(); err != nil {
		t.Error(err)
	}
}

// allowing is a profile that allows what a worker needs but for one call, and
// what the further rule says.
func allowing(rule, but string) string {
	var names []string
	for _, n := range needs {
		if n.name != but {
			names = append(names, fmt.Sprintf("%q", n.name))
		}
	}
	return `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": [` + strings.Join(names, ",") + `], "action": "SCMP_ACT_ALLOW"}, ` + rule + `]}`
}

func TestReadProfile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "absent.json"): "no such file",
		dir:                               "not a regular file",
		fifo:                              "not a regular file",
	} {
		_, err := Read(path)
		if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "own.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if raw, err := Read(filepath.Join(dir, "own.json")); err != nil || string(raw) != "{}" {
		t.Errorf("%q, %v", raw, err)
	}
}

// run puts a call through a compiled filter.
func run(t *testing.T, program []bpf.Instruction, number uint32, args [maxArgs]uint64) uint32 {
	t.Helper()
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	// The VM loads network order; only whole words are loaded, so each is
	// written so.
	data := make([]byte, offsetArgs+8*maxArgs)
	word := func(at int, v uint32) { binary.BigEndian.PutUint32(data[at:], v) }
	word(offsetNr, number)
	word(offsetArch, auditArch)
	for i, a := range args {
		word(offsetArgs+8*i, uint32(a))
		word(offsetArgs+8*i+4, uint32(a>>32))
	}
	answer, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(answer)
}

// TestFilterSaysWhatThePolicySays compares the compiled filter with the policy,
// for random policies and calls around the numbers that decide.
func TestFilterSaysWhatThePolicySays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	interesting := []uint64{0, 1, 2, 5, 1<<32 - 1, 1 << 32, 1<<32 + 5, 5 << 32, 1<<64 - 1}
	pick := func() uint64 { return interesting[random.IntN(len(interesting))] }
	for range 300 {
		p := &Policy{fallback: unix.SECCOMP_RET_ALLOW, calls: map[uint32][]rule{}}
		for range 1 + random.IntN(4) {
			number := uint32(random.IntN(3))
			r := rule{action: errnoRet | uint32(random.IntN(100))}
			for range random.IntN(4) {
				tt := test{arg: uint(random.IntN(maxArgs)), op: operators[random.IntN(len(operators))], mask: ^uint64(0), than: pick()}
				if tt.op == maskedEqual {
					tt.mask = pick()
				}
				r.tests = append(r.tests, tt)
			}
			_ = p.addRule(number, r) // a contradiction is left out
		}
		program := p.assemble()
		for range 100 {
			var args [maxArgs]uint64
			for i := range args {
				args[i] = pick()
			}
			number := uint32(random.IntN(4))
			if got, want := run(t, program, number, args), p.answer(number, args); got != want {
				t.Fatalf("%+v: call %d %x: filter %#x, policy %#x", p.calls, number, args, got, want)
			}
		}
	}
}

func TestFilterEndsForeignCalls(t *testing.T) {
	program := parse(t, `{"defaultAction": "SCMP_ACT_ALLOW"}`).assemble()
	if got := run(t, program, unix.SYS_SECCOMP, [6]uint64{}); got != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("another filter: %#x", got)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := vm.Run(make([]byte, offsetArgs+8*maxArgs)); err != nil || uint32(got) != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("another machine's call: %#x, %v", got, err)
	}
}

func TestTooLargeAProfile(t *testing.T) {
	p := &Policy{fallback: unix.SECCOMP_RET_ALLOW, calls: map[uint32][]rule{}}
	for range 1000 {
		p.calls[unix.SYS_MKDIRAT] = append(p.calls[unix.SYS_MKDIRAT], rule{[]test{{op: equal, mask: ^uint64(0)}}, errnoRet})
	}
	if _, err := p.Compile(); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "4096") {
		t.Errorf("%v", err)
	}
}

// FuzzParse: whatever a file holds, it is refused or becomes a filter that the
// machine can run and that answers as the policy does.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ALLOW"}`), uint32(0), uint64(0), uint64(0))
	f.Add([]byte(allowing(`{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]}`, "")), uint32(41), uint64(40), uint64(1))
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": ["dup"], "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS", "includes": {"minKernel": "4.8"}}]}`), uint32(32), uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, raw []byte, number uint32, a, b uint64) {
		p, err := Parse(raw)
		if err != nil {
			return
		}
		if _, err := p.Compile(); err != nil || number == unix.SYS_SECCOMP {
			return
		}
		args := [maxArgs]uint64{a, b, a, b, a, b}
		if got, want := run(t, p.assemble(), number, args), p.answer(number, args); got != want {
			t.Errorf("call %d %x: filter %#x, policy %#x", number, args, got, want)
		}
	})
}
