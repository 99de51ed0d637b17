// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// outline is what can be told about a module without decoding its code: what
// it wants, what it offers and which extensions of WebAssembly it declares.
type outline struct {
	imports  []Import
	exports  []export
	memories []limits // own ones, not imported
	features []string // extensions beyond what the engine takes, by name
	declared []string // extensions its compiler was allowed to use, used or not
}

type export struct {
	name string
	kind byte
}

// limits are a memory's or table's size (binary format, "limits").
type limits struct {
	min, max uint64
	bounded  bool
}

// Section ids of the binary format that scan reads.
const (
	sectionCustom = 0
	sectionType   = 1
	sectionImport = 2
	sectionMemory = 5
	sectionExport = 7
	sectionTag    = 13
)

// Kinds of imports and exports in the binary format.
const (
	externFunc   = 0
	externTable  = 1
	externMemory = 2
	externGlobal = 3
	externTag    = 4
)

var externNames = []string{"function", "table", "memory", "global", "tag"}

// Extensions by the names their proposals have.
const (
	featureGC          = "garbage collection"
	featureExceptions  = "exception handling"
	featureThreads     = "threads"
	featureMemory64    = "64-bit memory"
	featureMultiMemory = "multiple memories"
	featureCustomPages = "custom page sizes"
	featureStackSwitch = "stack switching"
)

// errTruncated says that a module ends where something was to follow.
var errTruncated = errors.New("it is cut off")

// scan outlines a module. It trusts nothing: every length is checked against
// what is there, so the work is bounded by the module's size.
func scan(wasm []byte) (*outline, error) {
	o := &outline{}
	d := &decoder{rest: wasm[preambleLen:]}
	for len(d.rest) > 0 && d.err == nil {
		id := d.byte()
		body := &decoder{rest: d.take(uint64(d.u32()))}
		if d.err != nil {
			break
		}
		o.section(id, body)
		if body.err != nil {
			return nil, fmt.Errorf("section %d: %w", id, body.err)
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	return o, nil
}

func (o *outline) section(id byte, d *decoder) {
	switch id {
	case sectionCustom:
		if d.name() == "target_features" {
			o.targetFeatures(d)
		}
	case sectionType:
		o.types(d)
	case sectionImport:
		d.vector(func() { o.imported(d) })
	case sectionMemory:
		d.vector(func() { o.memories = append(o.memories, o.limits(d)) })
		if len(o.memories) > 1 {
			o.feature(featureMultiMemory)
		}
	case sectionExport:
		d.vector(func() {
			e := export{name: d.name(), kind: d.byte()}
			d.u32()
			o.exports = append(o.exports, e)
		})
	case sectionTag:
		o.feature(featureExceptions)
	}
}

// Forms of a type definition (binary format, "rectype" and "comptype"). The
// rest (sub types, arrays, structures) belongs to garbage collection.
const (
	formFunc = 0x60
	formCont = 0x5d
	formRec  = 0x4e
)

// types walks over the function types, up to the first of another form: those
// nest, and the engine refuses them anyway.
func (o *outline) types(d *decoder) {
	for n := uint64(d.u32()); n > 0 && d.err == nil; n-- {
		switch d.byte() {
		case formFunc:
			d.vector(func() { o.valueType(d) })
			d.vector(func() { o.valueType(d) })
		case formRec:
			n += uint64(d.u32())
		case formCont:
			o.feature(featureStackSwitch)
			return
		case 0x4f, 0x50, 0x5e, 0x5f: // sub final, sub, array, struct
			o.feature(featureGC)
			return
		default:
			return
		}
	}
}

// valueType reads a value type (binary format, "valtype"; a reference to a
// heap type is two bytes or more).
func (o *outline) valueType(d *decoder) {
	switch t := d.byte(); t {
	case 0x63, 0x64: // ref null ht, ref ht
		d.heapType()
	case 0x69, 0x74: // exnref, noexn
		o.feature(featureExceptions)
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73: // array, struct, i31, eq, any, none, noextern, nofunc
		o.feature(featureGC)
	}
}

func (o *outline) imported(d *decoder) {
	im := Import{Module: d.name(), Name: d.name()}
	kind := d.byte()
	if d.err == nil && int(kind) < len(externNames) {
		im.Kind = externNames[kind]
	}
	switch kind {
	case externFunc:
		d.u32()
	case externTable:
		o.valueType(d)
		o.limits(d)
	case externMemory:
		o.limits(d)
	case externGlobal:
		o.valueType(d)
		d.byte()
	case externTag:
		o.feature(featureExceptions)
		d.byte()
		d.u32()
	default:
		d.fail(fmt.Errorf("import %s.%s is of an unknown kind %#x", im.Module, im.Name, kind))
	}
	o.imports = append(o.imports, im)
}

// targetFeatures reads what LLVM says about a module (tool-conventions,
// "Target Features Section"). It is a hint for messages: what is declared need
// not be used.
func (o *outline) targetFeatures(d *decoder) {
	const used = '+'
	d.vector(func() {
		if prefix, name := d.byte(), d.name(); prefix == used && d.err == nil {
			o.declared = append(o.declared, name)
		}
	})
	d.err = nil // a custom section cannot make a module invalid
}

// limits reads a size and what its flags declare.
func (o *outline) limits(d *decoder) (l limits) {
	const (
		flagMax    = 1 << 0
		flagShared = 1 << 1
		flag64     = 1 << 2
		flagPage   = 1 << 3
	)
	flags := d.byte()
	if flags&flagShared != 0 {
		o.feature(featureThreads)
	}
	if flags&flag64 != 0 {
		o.feature(featureMemory64)
	}
	l.min = d.u64()
	if flags&flagMax != 0 {
		l.max, l.bounded = d.u64(), true
	}
	if flags&flagPage != 0 {
		o.feature(featureCustomPages)
		d.u32()
	}
	return l
}

func (o *outline) feature(name string) {
	if !slices.Contains(o.features, name) {
		o.features = append(o.features, name)
	}
}

// decoder reads the binary format's scalars. After the first error it returns
// zeros.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err, d.rest = err, nil
	}
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(errTruncated)
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (d *decoder) u32() uint32 { return uint32(d.leb(32)) }
func (d *decoder) u64() uint64 { return d.leb(64) }

// leb reads an unsigned LEB128 number of at most that many bits.
func (d *decoder) leb(bits uint) (v uint64) {
	for shift := uint(0); shift < bits; shift += 7 {
		b := d.byte()
		v |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			return v
		}
	}
	d.fail(errors.New("a number is too long"))
	return 0
}

// heapType reads a heap type: a signed LEB128 number of 33 bits.
func (d *decoder) heapType() {
	for range 5 {
		if d.byte()&0x80 == 0 {
			return
		}
	}
	d.fail(errors.New("a type index is too long"))
}

// vector reads a count and calls read that often.
func (d *decoder) vector(read func()) {
	for n := d.u32(); n > 0 && d.err == nil; n-- {
		read()
	}
}

// name reads a string and makes it fit for messages and JSON: what cannot be
// printed is replaced. No name of the host's has any of that.
func (d *decoder) name() string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, string(d.take(uint64(d.u32()))))
}
