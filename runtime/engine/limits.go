// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// Bounds of a module, before anything is made of it: no toolchain comes near them. Those of entries are the ones of
// WebAssembly's JavaScript interface ("Implementation-defined Limits"), or fewer.
const (
	maxTableEntries = 10_000_000 // that all tables begin with
	maxLocals       = 50_000     // of a function
	maxNames        = 4 << 20    // bytes of the names of imports and exports
)

// maxEntries is how many entries a section may have.
var maxEntries = map[bytecode.SectionID]struct {
	most uint32
	what string
}{
	bytecode.Type:     {1_000_000, "types"},
	bytecode.Import:   {100_000, "imports"},
	bytecode.Function: {1_000_000, "functions"},
	bytecode.Table:    {100, "tables"},
	bytecode.Memory:   {100, "memories"},
	bytecode.Global:   {1_000_000, "globals"},
	bytecode.Export:   {1_000_000, "exports"},
	bytecode.Element:  {10_000_000, "element segments"},
	bytecode.Code:     {1_000_000, "functions"},
	bytecode.Data:     {100_000, "data segments"},
	bytecode.Tag:      {1_000_000, "tags"},
}

// excess is an error of a module that may be well-formed but is too much.
type excess struct{ text string }

func (e *excess) Error() string { return e.text }

func tooMuch(format string, args ...any) error { return &excess{fmt.Sprintf(format, args...)} }

// checkEntries compares the number of entries that a section says it has with what its bytes can hold and with the
// bound. The engine makes room for them before it looks at the first.
func checkEntries(s bytecode.Section) error {
	bound, counted := maxEntries[s.ID]
	if !counted || len(s.Body) == 0 {
		return nil
	}
	r := bytecode.NewReader(s.Body)
	n := r.U32()
	switch {
	case r.Err() != nil:
		return r.Err()
	case uint64(n) > uint64(len(s.Body)):
		return fmt.Errorf("it says that it has %d %s in %d bytes", n, bound.what, len(s.Body))
	case n > bound.most:
		return tooMuch("it has %d %s, more than the %d allowed", n, bound.what, bound.most)
	}
	return nil
}

// table reads a table's type, and what it begins with if it says that.
func (o *outline) table(r *bytecode.Reader) {
	const explicit = 0x40 // a zero comes before the type, the initial value after the size
	explicitly := r.Peek() == explicit
	if explicitly {
		r.Take(2)
	}
	o.valueType(r)
	o.tableSize(r)
	if explicitly {
		skipExpression(r)
	}
}

// tableSize reads a table's limits and adds to what all tables begin with.
func (o *outline) tableSize(r *bytecode.Reader) {
	n := o.limits(r).min
	if o.tableEntries += n; n > maxTableEntries || o.tableEntries > maxTableEntries {
		r.Fail(tooMuch("its tables begin with more than the %d entries allowed", maxTableEntries))
	}
}

// skipExpression reads a constant expression to its end.
func skipExpression(r *bytecode.Reader) {
	var in bytecode.Instruction
	for in.Op = 0; r.More() && in.Op != bytecode.End; {
		r.Instruction(&in)
	}
}

// named counts the bytes of names that are kept.
func (o *outline) named(r *bytecode.Reader, names ...string) {
	for _, name := range names {
		o.nameBytes += len(name)
	}
	if o.nameBytes > maxNames {
		r.Fail(tooMuch("the names of its imports and exports have more than the %d bytes allowed", maxNames))
	}
}
