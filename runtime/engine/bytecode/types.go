// SPDX-License-Identifier: Apache-2.0

package bytecode

// ValueType is a value type.
type ValueType struct {
	Code byte
	Heap int64 // of a Ref or RefNull: a type's index, or the heap type's code as a negative number
}

// Codes of value types, and of block types and heap types, which share them.
const (
	I32       = 0x7f
	I64       = 0x7e
	F32       = 0x7d
	F64       = 0x7c
	V128      = 0x7b
	FuncRef   = 0x70
	ExternRef = 0x6f
	ExnRef    = 0x69
	NoExnRef  = 0x74
	RefNull   = 0x63
	Ref       = 0x64
	Empty     = 0x40 // only as a block type
)

// ValueType reads a value type.
func (r *Reader) ValueType() ValueType {
	t := ValueType{Code: r.Byte()}
	if t.Code == Ref || t.Code == RefNull {
		t.Heap = r.Signed(33)
	}
	return t
}

// heapCode is the code of an abstract heap type or of its short form as a
// value type; 0 for a type of the module's own.
func (t ValueType) heapCode() byte {
	if t.Code != Ref && t.Code != RefNull {
		return t.Code
	}
	if t.Heap >= 0 {
		return 0
	}
	return byte(t.Heap & 0x7f)
}

// IsException says whether values of the type are exceptions.
func (t ValueType) IsException() bool {
	code := t.heapCode()
	return code == ExnRef || code == NoExnRef
}

// Extension is what the type belongs to beyond WebAssembly 2.0 and typed
// function references; "" for nothing.
func (t ValueType) Extension() Extension {
	switch t.heapCode() {
	case ExnRef, NoExnRef:
		return Exceptions
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73: // array, struct, i31, eq, any, none, noextern, nofunc
		return GC
	case 0x68, 0x75: // cont, nocont
		return StackSwitching
	}
	return ""
}

// Append appends the type's encoding.
func (t ValueType) Append(b []byte) []byte {
	b = append(b, t.Code)
	if t.Code == Ref || t.Code == RefNull {
		b = AppendSigned(b, t.Heap)
	}
	return b
}

// FuncType is the type of a function.
type FuncType struct {
	Params, Results []ValueType
}

// FormFunc begins a function type in the type section, and FormGroup a vector
// of types that may refer to each other ("rec").
const (
	FormFunc  = 0x60
	FormGroup = 0x4e
)

// FuncType reads what follows FormFunc.
func (r *Reader) FuncType() (t FuncType) {
	r.Vector(func() { t.Params = append(t.Params, r.ValueType()) })
	r.Vector(func() { t.Results = append(t.Results, r.ValueType()) })
	return t
}

// Append appends the type's encoding, FormFunc included.
func (t FuncType) Append(b []byte) []byte {
	b = append(b, FormFunc)
	for _, types := range [][]ValueType{t.Params, t.Results} {
		b = AppendU32(b, uint32(len(types)))
		for _, v := range types {
			b = v.Append(b)
		}
	}
	return b
}

// BlockType is the type of a block: a type of the module's, or at most one
// value as its result.
type BlockType struct {
	Index int64     // of a type; negative if there is none
	Value ValueType // the result then, or Empty
}

func (r *Reader) blockType() BlockType {
	start := r.pos
	index := r.Signed(33)
	if index >= 0 {
		return BlockType{Index: index}
	}
	if r.err != nil {
		return BlockType{Index: -1, Value: ValueType{Code: Empty}}
	}
	r.pos = start
	return BlockType{Index: -1, Value: r.ValueType()}
}

// Append appends the type's encoding.
func (t BlockType) Append(b []byte) []byte {
	if t.Index >= 0 {
		return AppendSigned(b, t.Index)
	}
	return t.Value.Append(b)
}

// Local is a group of local variables of one type.
type Local struct {
	Count uint32
	Type  ValueType
}

// Locals reads the variables that a function's body begins with.
func (r *Reader) Locals() (groups []Local) {
	r.Vector(func() { groups = append(groups, Local{r.U32(), r.ValueType()}) })
	return groups
}
