// SPDX-License-Identifier: Apache-2.0

package tiny

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Hello returns a command that prints the text to its standard output and ends.
func Hello(text string) []byte { return Print(text, "", 0) }

// Heavy returns the module with so many bytes more that do not compress, in a custom
// section. Whatever the module does, it does as before.
func Heavy(module []byte, bytes int) []byte {
	noise := make([]byte, bytes)
	_, _ = rand.NewChaCha8(sha256.Sum256(module)).Read(noise) // never fails
	return join(module, []byte{0}, bytesOf(join(nameOf("noise"), noise)))
}

// Export is Hello in a function of another name than _start.
func Export(name, text string) []byte {
	m := printer(text, "", join(constant(0), call(1)), procExit)
	m.export = name
	return m.encode()
}

// Print returns a command that writes to its standard output, then to its standard
// error, and exits with the code.
func Print(stdout, stderr string, code int32) []byte {
	return printer(stdout, stderr, join(constant(code), call(1)), procExit).encode()
}

// Pause returns a command that prints the text and then sleeps for ever.
func Pause(text string) []byte {
	const subscription, event, count = 64, 128, 192
	m := printer(text, "", join(
		[]byte{opLoop, blockVoid},
		constant(subscription), constant(event), constant(1), constant(count), call(1), []byte{opDrop},
		[]byte{opBr, 0, opEnd},
	), pollOneoff)
	// The subscription to the monotonic clock lies in front of the text.
	copy(m.data[subscription-iovecs:], clockSubscription(3600e9))
	return m.encode()
}

// iovecs is where the data of a printer begins and text where its text does.
const (
	iovecs = 16
	text   = 256
)

// printer writes both texts and goes on with the code then, which may call the
// import further, whose index is 1.
func printer(stdout, stderr string, then []byte, further function) module {
	const written = 8
	data := make([]byte, text-iovecs)
	copy(data, join(iovec(text, len(stdout)), iovec(text+len(stdout), len(stderr))))
	data = append(data, stdout+stderr...)
	var body []byte
	for i, s := range []string{stdout, stderr} {
		if s != "" {
			body = join(body, constant(int32(i+1)), constant(int32(iovecs+8*i)), constant(1), constant(written), call(0), []byte{opDrop})
		}
	}
	return module{
		imports: []function{fdWrite, further},
		start:   &function{body: join(body, then)},
		data:    data,
		dataAt:  iovecs,
	}
}

// clockSubscription is the preview 1 struct that asks for an event after so many
// nanoseconds of the monotonic clock.
func clockSubscription(nanoseconds uint64) []byte {
	s := make([]byte, 48)
	s[16] = 1 // clock id: monotonic; the tag at 8 is 0, a clock
	binary.LittleEndian.PutUint64(s[24:], nanoseconds)
	return s
}

// Trap returns a command that executes unreachable.
func Trap() []byte { return command([]byte{opUnreachable}) }

// DivideByZero returns a command that traps with an integer division by zero.
func DivideByZero() []byte {
	return command(join(constant(1), constant(0), []byte{opI32DivS, opDrop}))
}

// OutOfBounds returns a command that traps with a load beyond its memory.
func OutOfBounds() []byte {
	return command(join(constant(-4), []byte{opI32Load, 2, 0, opDrop}))
}

// Recurse returns a command that calls itself until its stack overflows.
func Recurse() []byte { return command(call(0)) }

// Spin returns a command that loops for ever without calling its host.
func Spin() []byte { return command([]byte{opLoop, blockVoid, opBr, 0, opEnd}) }

// Hog returns a command that grows its memory a megabyte at a time and writes to
// every byte of it, until it is killed, or traps when it cannot grow.
func Hog() []byte {
	const step = 16 // pages of 64 KiB
	return module{start: &function{
		locals: []byte{typeI32},
		body: join(
			[]byte{opLoop, blockVoid},
			constant(step), []byte{opMemoryGrow, 0, opLocalTee, 0},
			constant(-1), []byte{opI32Eq, opIf, blockVoid, opUnreachable, opEnd},
			// memory.fill from the first new page
			[]byte{opLocalGet, 0}, constant(16), []byte{opI32Shl}, constant(1), constant(step<<16),
			[]byte{opPrefix, opMemoryFill, 0},
			[]byte{opBr, 0, opEnd},
		),
	}}.encode()
}

// MissingImport returns a command that imports env.nowhere, which no host has.
func MissingImport() []byte {
	return module{
		imports: []function{{module: "env", name: "nowhere"}},
		start:   &function{body: call(0)},
	}.encode()
}

// Socket returns a command that opens a TCP socket of its own, with the sockets
// extension of WasmEdge, and exits with the errno.
func Socket() []byte {
	const inet4, stream, result = 1, 2, 64
	return module{
		imports: []function{sockOpen, procExit},
		start:   &function{body: join(constant(inet4), constant(stream), constant(result), call(0), call(1))},
	}.encode()
}

// Touch returns a command that opens a file for writing, makes it if it is not
// there, and exits with the errno.
func Touch(path string) []byte {
	const root, create, write, opened = 3, 1, 1 << 6, 8
	return module{
		imports: []function{pathOpen, procExit},
		start: &function{body: join(
			constant(root), constant(0), constant(iovecs), constant(int32(len(path))), constant(create),
			constant64(write), constant64(0), constant(0), constant(opened), call(0), call(1),
		)},
		data: []byte(path), dataAt: iovecs,
	}.encode()
}

// NoStart returns a module without _start: a library.
func NoStart() []byte { return module{}.encode() }

// Component returns a WebAssembly component that says of itself what a command
// does, and has no code: it imports wasi:cli/environment and exports wasi:cli/run
// (component-model, Binary.md).
func Component() []byte {
	const importSection, exportSection, plain, instance = 10, 11, 0, 5
	imports := vector([][]byte{join([]byte{plain}, nameOf("wasi:cli/environment@0.2.0"), []byte{instance, 0})})
	exports := vector([][]byte{join([]byte{plain}, nameOf("wasi:cli/run@0.2.0"), []byte{instance, 0, 0})})
	return join([]byte("\x00asm\x0d\x00\x01\x00"), []byte{importSection}, bytesOf(imports), []byte{exportSection}, bytesOf(exports))
}

// Truncated returns a module cut in the middle of a section.
func Truncated() []byte {
	m := Hello("cut")
	return m[:len(m)-8]
}

func command(body []byte) []byte { return module{start: &function{body: body}}.encode() }
