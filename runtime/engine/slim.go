// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"reflect"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"
)

// What wazero keeps of a module is also what it was compiled from. A worker that has the
// machine code never looks at the functions' bodies again, nor, once the tables are
// filled, at what they are filled with: for 20,000 functions 1.4 and 0.8 MB. There is no
// interface to drop them, so they are found as the code is (see nativeOf).

// dropBodies puts a slice of as many functions without anything in the place of the
// module's: wazero asks whether a function is one of Go's when it writes a trap's stack.
// The slice is memory that nobody writes to, so it costs nothing.
func dropBodies(compiled wazero.CompiledModule) {
	bodies, each, ok := sectionOf(compiled, "CodeSection")
	if !ok || bodies.len == 0 {
		return
	}
	empty, err := unix.Mmap(-1, 0, bodies.len*each, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return // they stay
	}
	bodies.data, bodies.cap = unsafe.Pointer(&empty[0]), bodies.len
}

// dropElements drops what the module's tables begin with. No other instance can be made
// of it from then on.
func dropElements(compiled wazero.CompiledModule) {
	if elements, _, ok := sectionOf(compiled, "ElementSection"); ok {
		*elements = slice{}
	}
}

// slice is what a slice of any type is.
type slice struct {
	data     unsafe.Pointer
	len, cap int
}

// sectionOf finds a section of a compiled module, and how many bytes each of its items
// has. Where there is none of that name, which a test notices, ok is false.
func sectionOf(compiled wazero.CompiledModule, name string) (section *slice, each int, ok bool) {
	defer func() {
		if recover() != nil {
			section, ok = nil, false
		}
	}()
	// *compiledModule{module: *Module{CodeSection, ElementSection}}
	field := reflect.ValueOf(compiled).Elem().FieldByName("module").Elem().FieldByName(name)
	if field.Kind() != reflect.Slice {
		return nil, 0, false
	}
	return (*slice)(field.Addr().UnsafePointer()), int(field.Type().Elem().Size()), true
}
