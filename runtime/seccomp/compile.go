// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// maxFilter is the longest program the kernel takes (BPF_MAXINSNS).
const maxFilter = 4096

// Offsets in struct seccomp_data (seccomp(2)), on little-endian machines.
const (
	offsetNr   = 0
	offsetArch = 4
	offsetArgs = 16
)

// Compile returns the policy as a filter. A policy that keeps the worker itself
// from what it lives on is errdefs.ErrInvalidArgument, by the calls' names, and
// so is one that is too large.
func (p *Policy) Compile() (*spec.Seccomp, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	program := p.assemble()
	if len(program) > maxFilter {
		return nil, invalid("%d instructions are more than the kernel's %d", len(program), maxFilter)
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	s := &spec.Seccomp{Log: p.log, Filter: make([]spec.Instruction, len(raw))}
	for i, ins := range raw {
		s.Filter[i] = spec.Instruction{Code: ins.Op, True: ins.Jt, False: ins.Jf, K: ins.K}
	}
	return s, nil
}

// assemble writes the program.
func (p *Policy) assemble() []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.LoadAbsolute{Off: offsetNr, Size: 4},
		// This is the last filter there will be; see confine.Seal.
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_SECCOMP, SkipFalse: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
	}
	for _, number := range slices.Sorted(maps.Keys(p.calls)) {
		body := assembleCall(p.calls[number], p.fallback)
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: number, SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(body))}) // a body may be longer than a conditional jump reaches
		program = append(program, body...)
	}
	return append(program, bpf.RetConstant{Val: p.fallback})
}

// assembleCall writes the rules of one call; it always returns.
func assembleCall(rules []rule, fallback uint32) []bpf.Instruction {
	var body []bpf.Instruction
	for _, r := range rules {
		rest := []bpf.Instruction{bpf.RetConstant{Val: r.action}}
		for _, t := range slices.Backward(r.tests) {
			rest = append(t.assemble(uint8(len(rest))), rest...)
		}
		body = append(body, rest...)
		if len(r.tests) == 0 {
			return body
		}
	}
	return append(body, bpf.RetConstant{Val: fallback})
}

// assemble writes a test that goes on when it holds and else jumps over the
// given number of instructions that follow it. The kernel's machine has 32
// bits, so the halves are compared one after the other.
func (t test) assemble(over uint8) []bpf.Instruction {
	low, high := uint32(t.than), uint32(t.than>>32)
	loadLow := bpf.LoadAbsolute{Off: offsetArgs + 8*uint32(t.arg), Size: 4}
	loadHigh := bpf.LoadAbsolute{Off: offsetArgs + 8*uint32(t.arg) + 4, Size: 4}
	jump := func(c bpf.JumpTest, v uint32, yes, no uint8) bpf.Instruction {
		return bpf.JumpIf{Cond: c, Val: v, SkipTrue: yes, SkipFalse: no}
	}
	switch t.op {
	case equal:
		return []bpf.Instruction{loadHigh, jump(bpf.JumpEqual, high, 0, 2+over), loadLow, jump(bpf.JumpEqual, low, 0, over)}
	case notEqual:
		return []bpf.Instruction{loadHigh, jump(bpf.JumpEqual, high, 0, 2), loadLow, jump(bpf.JumpEqual, low, over, 0)}
	case greater:
		return []bpf.Instruction{
			loadHigh, jump(bpf.JumpGreaterThan, high, 3, 0), jump(bpf.JumpEqual, high, 0, 2+over),
			loadLow, jump(bpf.JumpGreaterThan, low, 0, over),
		}
	case greaterOrEqual:
		return []bpf.Instruction{
			loadHigh, jump(bpf.JumpGreaterThan, high, 3, 0), jump(bpf.JumpEqual, high, 0, 2+over),
			loadLow, jump(bpf.JumpGreaterOrEqual, low, 0, over),
		}
	case less:
		return []bpf.Instruction{
			loadHigh, jump(bpf.JumpGreaterThan, high, 3+over, 0), jump(bpf.JumpEqual, high, 0, 2),
			loadLow, jump(bpf.JumpGreaterOrEqual, low, over, 0),
		}
	case lessOrEqual:
		return []bpf.Instruction{
			loadHigh, jump(bpf.JumpGreaterThan, high, 3+over, 0), jump(bpf.JumpEqual, high, 0, 2),
			loadLow, jump(bpf.JumpGreaterThan, low, over, 0),
		}
	default: // maskedEqual
		return []bpf.Instruction{
			loadHigh, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(t.mask >> 32)}, jump(bpf.JumpEqual, high, 0, 3+over),
			loadLow, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(t.mask)}, jump(bpf.JumpEqual, low, 0, over),
		}
	}
}
