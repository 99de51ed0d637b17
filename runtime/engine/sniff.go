// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Kind says what a file or module is.
type Kind string

// Kinds by the first bytes of a file, as Sniff tells them.
const (
	KindModule    Kind = "module"    // a core WebAssembly module
	KindComponent Kind = "component" // a WebAssembly component
	KindOther     Kind = "other"     // not WebAssembly
)

// Kinds of core modules by their exports, as Compile tells them.
const (
	KindCommand Kind = "command" // _start: runs once, to its end
	KindReactor Kind = "reactor" // _initialize: serves calls
	KindLibrary Kind = "library" // neither
)

// SniffLen is how many bytes of a file Sniff and describe look at.
const SniffLen = 512

// The preamble of WebAssembly binaries: the magic, a version and a layer. A
// module is version 1 of layer 0; components have layer 1.
const (
	magic          = "\x00asm"
	preambleLen    = 8
	moduleVersion  = 1
	componentLayer = 1
)

// Sniff tells what a file is by its first bytes, never by its name or media
// type.
func Sniff(header []byte) Kind {
	if len(header) < preambleLen || string(header[:len(magic)]) != magic {
		return KindOther
	}
	version, layer := binary.LittleEndian.Uint16(header[4:]), binary.LittleEndian.Uint16(header[6:])
	switch {
	case version == moduleVersion && layer == 0:
		return KindModule
	case layer == componentLayer:
		return KindComponent
	}
	return KindOther
}

// signatures are beginnings of files that people put where a module belongs.
var signatures = []struct{ prefix, name string }{
	{"\x7fELF", "a native Linux program (ELF)"},
	{"\xcf\xfa\xed\xfe", "a native macOS program"},
	{"MZ", "a native Windows program"},
	{"#!", "a script"},
	{"\x1f\x8b", "gzip data"},
	{"\x28\xb5\x2f\xfd", "zstd data"},
	{"PK\x03\x04", "a zip archive"},
	{"!<arch>", "an object archive"},
	{"BC\xc0\xde", "LLVM bitcode"},
	{"\xca\xfe\xba\xbe", "a Java class or a macOS program"},
	{"\x00asm", "a WebAssembly binary of an unknown version"},
}

// describe says for a person what a file that is no module looks like.
func describe(header []byte) string {
	if len(header) == 0 {
		return "it is empty"
	}
	for _, s := range signatures {
		if bytes.HasPrefix(header, []byte(s.prefix)) {
			return "it is " + s.name
		}
	}
	start := header[:min(len(header), SniffLen)]
	trimmed := bytes.TrimSpace(start)
	if bytes.HasPrefix(trimmed, []byte("(module")) || bytes.HasPrefix(trimmed, []byte("(component")) || bytes.HasPrefix(trimmed, []byte(";;")) {
		return "it is WebAssembly text (.wat), which must be assembled first"
	}
	if isText(start) {
		return fmt.Sprintf("it is text that begins with %.32q", start)
	}
	return fmt.Sprintf("it begins with the bytes % x", header[:min(len(header), 8)])
}

// isText says whether b is the beginning of a text. Its last character may be
// cut in two.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		cut := len(b) < utf8.UTFMax && utf8.RuneStart(b[0]) && !utf8.FullRune(b)
		if r == utf8.RuneError && size == 1 && !cut || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
		b = b[size:]
	}
	return true
}
