// SPDX-License-Identifier: Apache-2.0

package bytecode

import (
	"encoding/binary"
	"fmt"
)

// PreambleLen is the length of the magic and the version that a module begins
// with.
const PreambleLen = 8

// SectionID is the kind of a section.
type SectionID byte

// Sections of a module. They come in this order, except that Tag lies between
// Memory and Global, DataCount between Element and Code, and Custom anywhere.
const (
	Custom SectionID = iota
	Type
	Import
	Function
	Table
	Memory
	Global
	Export
	Start
	Element
	Code
	Data
	DataCount
	Tag
)

// Kinds of imports and exports.
const (
	ExternFunc = iota
	ExternTable
	ExternMemory
	ExternGlobal
	ExternTag
)

// Section is one section of a module.
type Section struct {
	ID   SectionID
	Body []byte
}

// MaxSections bounds the sections of a module; a dozen and some custom ones are usual.
const MaxSections = 10_000

// ErrSections says that a module has more sections than MaxSections.
var ErrSections = fmt.Errorf("it has more than the %d sections allowed", MaxSections)

// Sections splits a module, which is one by its preamble.
func Sections(wasm []byte) ([]Section, error) {
	var sections []Section
	r := NewReader(wasm[PreambleLen:])
	for r.More() {
		id := SectionID(r.Byte())
		body := r.Take(uint64(r.U32()))
		if r.Err() != nil {
			return nil, r.Err()
		}
		if len(sections) == MaxSections {
			return nil, ErrSections
		}
		sections = append(sections, Section{id, body})
	}
	return sections, nil
}

// Bodies reads the code section and calls visit with each function's body:
// its locals and instructions. The first error of visit ends it.
func Bodies(code []byte, visit func(body *Reader) error) error {
	if len(code) == 0 {
		return nil // a module without functions
	}
	r := NewReader(code)
	for i, n := uint32(0), r.U32(); i < n && r.Err() == nil; i++ {
		body := r.Sized()
		if r.Err() != nil {
			break
		}
		if err := visit(body); err != nil {
			return err
		}
		if err := body.Err(); err != nil {
			return fmt.Errorf("body %d: %w", i, err)
		}
	}
	return r.Err()
}

// AppendSection appends a section.
func AppendSection(b []byte, id SectionID, body []byte) []byte {
	return append(AppendU32(append(b, byte(id)), uint32(len(body))), body...)
}

// AppendU32 appends an unsigned number.
func AppendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// AppendSigned appends a signed number.
func AppendSigned(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
