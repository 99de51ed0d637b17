// SPDX-License-Identifier: Apache-2.0

// Package lower rewrites modules so that they do without what the engine does
// not do right:
//
//   - exceptions become plain control flow: a throw stores what it throws in
//     globals, and whoever calls a function that may throw looks at them;
//   - remainders become divisions, where the engine's remainder is wrong.
//
// What comes out is an ordinary module that is validated like any other: a
// mistake in here can make a guest go wrong, but not leave its sandbox.
package lower

import (
	"errors"
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// Uncaught is the name of the global that a module whose exceptions were taken
// out exports: an i32, not 0 when an exception has left the function that the
// host called.
const Uncaught = "wazelet:uncaught-exception"

// Options say what to take out.
type Options struct {
	Exceptions bool
	Remainders bool
}

// Module returns the module without what the options name. The module must be
// a valid one; of one that is not, anything may come out, but no panic. Debug
// information and other custom sections that speak of code offsets are
// dropped.
func Module(wasm []byte, options Options) ([]byte, error) {
	sections, err := bytecode.Sections(wasm)
	if err != nil {
		return nil, err
	}
	m := &module{options: options}
	for _, s := range sections {
		if err := m.read(s); err != nil {
			return nil, fmt.Errorf("section %d: %w", s.ID, err)
		}
	}
	if options.Exceptions {
		if err := m.planExceptions(); err != nil {
			return nil, err
		}
	}
	return m.write(wasm[:bytecode.PreambleLen], sections)
}

// write puts the module together again. The code comes first, because it may
// need new types.
func (m *module) write(preamble []byte, sections []bytecode.Section) ([]byte, error) {
	code, err := m.rewriteCode()
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), preamble...)
	globals := !m.options.Exceptions // whether the new globals have been written
	for _, s := range sections {
		if !globals && comesAfterGlobals(s.ID) {
			out = bytecode.AppendSection(out, bytecode.Global, m.newGlobals(nil, 0))
			globals = true
		}
		body := s.Body
		switch s.ID {
		case bytecode.Custom:
			if bytecode.NewReader(s.Body).Name() != "name" {
				continue
			}
		case bytecode.Code:
			body = code
		}
		if m.options.Exceptions {
			switch s.ID {
			case bytecode.Type:
				body = m.writeTypes()
			case bytecode.Tag:
				continue
			case bytecode.Global:
				body, err = m.rewriteGlobals(s.Body)
				globals = true
			case bytecode.Export:
				body, err = m.rewriteExports(s.Body)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("section %d: %w", s.ID, err)
		}
		out = bytecode.AppendSection(out, s.ID, body)
	}
	return out, nil
}

func comesAfterGlobals(id bytecode.SectionID) bool {
	return id >= bytecode.Export && id <= bytecode.DataCount
}

// rewriteCode rewrites every function's body.
func (m *module) rewriteCode() ([]byte, error) {
	r := bytecode.NewReader(m.code)
	out := bytecode.AppendU32(make([]byte, 0, len(m.code)+len(m.code)/4), r.U32())
	m.room = maxGrowth*len(m.code) + 1<<20
	f := &function{module: m}
	index := m.importedFuncs
	err := bytecode.Bodies(m.code, func(body *bytecode.Reader) error {
		b, err := f.rewrite(index, body)
		if err == nil && len(b) > m.room-len(out) {
			err = errTooLarge
		}
		if err != nil {
			return fmt.Errorf("function %d: %w", index, err)
		}
		out = append(bytecode.AppendU32(out, uint32(len(b))), b...)
		index++
		return nil
	})
	return out, err
}

// rewriteExports drops the exports of tags and adds the one of the pending
// exception.
func (m *module) rewriteExports(body []byte) ([]byte, error) {
	var count uint32
	var entries []byte
	r := bytecode.NewReader(body)
	r.Vector(func() {
		start := r.Pos()
		r.Take(uint64(r.U32()))
		kind := r.Byte()
		r.U32()
		if kind != bytecode.ExternTag {
			entries = append(entries, r.Since(start)...)
			count++
		}
	})
	entries = bytecode.AppendU32(entries, uint32(len(Uncaught)))
	entries = append(entries, Uncaught...)
	entries = bytecode.AppendU32(append(entries, bytecode.ExternGlobal), m.pending)
	return append(bytecode.AppendU32(nil, count+1), entries...), r.Err()
}

// rewriteGlobals turns exceptions in globals into numbers and adds the new
// globals.
func (m *module) rewriteGlobals(body []byte) ([]byte, error) {
	var entries []byte
	var in bytecode.Instruction
	r := bytecode.NewReader(body)
	count := r.U32()
	for range count {
		entries = lowerType(r.ValueType()).Append(entries)
		entries = append(entries, r.Byte())
		for in.Op = bytecode.Unreachable; in.Op != bytecode.End && r.Err() == nil; {
			r.Instruction(&in)
			entries = appendConst(entries, &in)
		}
		if r.Err() != nil {
			return nil, r.Err()
		}
	}
	return m.newGlobals(entries, count), nil
}

// appendConst appends an instruction that deals with types only.
func appendConst(b []byte, in *bytecode.Instruction) []byte {
	if in.Op == bytecode.RefNullOp && in.Type.IsException() {
		return append(b, zeroVector...)
	}
	return append(b, in.Raw...)
}

// lowerType is the type that stands for t: an exception is a vector that holds
// the bits of its payload and its tag, plus one; 0 is the null reference.
func lowerType(t bytecode.ValueType) bytecode.ValueType {
	if t.IsException() {
		return bytecode.ValueType{Code: bytecode.V128}
	}
	return t
}

// maxGrowth bounds the new code, in times the old. Ordinary code grows by a
// tenth; types of a thousand values, used again and again, by anything.
const maxGrowth = 8

var errTooLarge = errors.New("its code would become too large")
