// SPDX-License-Identifier: Apache-2.0

// Package bytecode reads and writes the binary format of WebAssembly modules,
// as far as it takes to look through one and to change its code: sections,
// types and instructions, not what they mean together. It trusts nothing:
// every length is checked against what is there, so the work is bounded by
// the module's size.
package bytecode

import (
	"errors"
	"strings"
	"unicode"
)

// ErrTruncated says that a module ends where something was to follow.
var ErrTruncated = errors.New("it is cut off")

// Reader reads the binary format. After the first error it returns zeros.
type Reader struct {
	buf []byte
	pos int
	err error
}

// NewReader returns a reader of b, which it keeps.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Fail makes err the reader's error, if it is the first, and ends the reading.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.pos = len(r.buf)
}

// More says whether there is more to read.
func (r *Reader) More() bool { return r.pos < len(r.buf) }

// Pos returns how many bytes have been read.
func (r *Reader) Pos() int { return r.pos }

// Since returns what has been read from pos on.
func (r *Reader) Since(pos int) []byte { return r.buf[min(pos, r.pos):r.pos] }

// Rest returns what has not been read, and ends the reading.
func (r *Reader) Rest() []byte {
	b := r.buf[r.pos:]
	r.pos = len(r.buf)
	return b
}

// Take reads n bytes.
func (r *Reader) Take(n uint64) []byte {
	if n > uint64(len(r.buf)-r.pos) {
		r.Fail(ErrTruncated)
		return nil
	}
	b := r.buf[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.pos >= len(r.buf) {
		r.Fail(ErrTruncated)
		return 0
	}
	b := r.buf[r.pos]
	r.pos++
	return b
}

// Peek returns the next byte without reading it; 0 at the end.
func (r *Reader) Peek() byte {
	if r.pos >= len(r.buf) {
		return 0
	}
	return r.buf[r.pos]
}

// U32 reads an unsigned number of 32 bits.
func (r *Reader) U32() uint32 { return uint32(r.unsigned(32)) }

// U64 reads an unsigned number of 64 bits.
func (r *Reader) U64() uint64 { return r.unsigned(64) }

func (r *Reader) unsigned(bits uint) (v uint64) {
	for shift := uint(0); shift < bits; shift += 7 {
		b := r.Byte()
		v |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			return v
		}
	}
	r.Fail(errors.New("a number is too long"))
	return 0
}

// Signed reads a signed number of at most that many bits.
func (r *Reader) Signed(bits uint) (v int64) {
	for shift := uint(0); shift < bits; shift += 7 {
		b := r.Byte()
		v |= int64(b&0x7f) << shift
		if b&0x80 == 0 {
			if b&0x40 != 0 && shift+7 < 64 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	r.Fail(errors.New("a number is too long"))
	return 0
}

// Vector reads a count and calls read that often.
func (r *Reader) Vector(read func()) {
	for n := r.U32(); n > 0 && r.err == nil; n-- {
		read()
	}
}

// Sized reads a count of bytes and returns a reader of those.
func (r *Reader) Sized() *Reader { return NewReader(r.Take(uint64(r.U32()))) }

// Name reads a string and makes it fit for messages and JSON: what cannot be
// printed is replaced. No name of the host's has any of that.
func (r *Reader) Name() string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, string(r.Take(uint64(r.U32()))))
}
