// SPDX-License-Identifier: Apache-2.0

package component

import (
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// types reads names, kinds and types, of which it keeps the names only.
type types struct {
	*bytecode.Reader

	depth int
	// exported is told of each export that a component type declares.
	exported func(name, kind string)
}

// kinds are the sorts of a component's definitions, by their code.
var kinds = []string{"module", "function", "value", "type", "component", "instance"}

// coreModule is the core sort of a module, the only one that can be imported or exported.
const coreModule = 0x11

// externName reads the name of an import or export. Two codes precede a plain one, for a name and for what once was a
// name with a URL; both are in use.
func (t *types) externName() string {
	if form := t.Byte(); form > 1 {
		t.Fail(fmt.Errorf("a name has the unknown form %#x", form))
	}
	return t.name()
}

func (t *types) name() string {
	name := t.Name()
	if len(name) > maxName {
		t.Fail(fmt.Errorf("a name has %d bytes, more than the %d allowed", len(name), maxName))
		return ""
	}
	return name
}

// sort reads what kind of thing an index is of.
func (t *types) sort() string {
	code := t.Byte()
	if code == 0 && t.Byte() != coreModule && t.Err() == nil {
		return "core" // of an alias only
	}
	return t.kind(code)
}

func (t *types) kind(code byte) string {
	if t.Err() != nil {
		return ""
	}
	if int(code) >= len(kinds) {
		t.Fail(fmt.Errorf("there is no sort %#x", code))
		return ""
	}
	return kinds[code]
}

// externType reads the type of an import or export and returns its kind.
func (t *types) externType() string {
	code := t.Byte()
	switch code {
	case 0: // core module
		t.Byte()
		t.U32()
	case 2: // value: the one of an index, or any of a type
		if t.Byte() == 0 {
			t.U32()
		} else {
			t.valueType()
		}
	case 3: // type: the one of an index, or a new resource
		if t.Byte() == 0 {
			t.U32()
		}
	default:
		t.U32()
	}
	return t.kind(code)
}

func (t *types) optional() bool {
	present := t.Byte()
	if present > 1 {
		t.Fail(fmt.Errorf("an option is neither there nor absent: %#x", present))
	}
	return present == 1
}

// valueType reads an index or a primitive type, which are numbers of one space.
func (t *types) valueType() { t.Signed(33) }

func (t *types) optionalType() {
	if t.optional() {
		t.valueType()
	}
}

func (t *types) labelledType() {
	t.name()
	t.valueType()
}

// Codes of type definitions. Those from primitive on are primitive types.
const (
	typeResourceAsync = 0x3e
	typeResource      = 0x3f
	typeFunction      = 0x40
	typeComponent     = 0x41
	typeInstance      = 0x42
	typeAsyncFunction = 0x43
	typeMap           = 0x63
	typeErrorContext  = 0x64
	typeFuture        = 0x65
	typeStream        = 0x66
	typeFixedList     = 0x67
	typeBorrow        = 0x68
	typeOwn           = 0x69
	typeResult        = 0x6a
	typeOption        = 0x6b
	typeEnum          = 0x6d
	typeFlags         = 0x6e
	typeTuple         = 0x6f
	typeList          = 0x70
	typeVariant       = 0x71
	typeRecord        = 0x72
	firstPrimitive    = 0x73
	lastPrimitive     = 0x7f
)

// definition reads a type definition.
func (t *types) definition() {
	if t.depth++; t.depth > maxDepth {
		t.Fail(fmt.Errorf("its types are nested more than %d deep", maxDepth))
	}
	defer func() { t.depth-- }()
	switch code := t.Byte(); code {
	case typeComponent, typeInstance:
		t.Vector(t.declaration)
	case typeFunction, typeAsyncFunction:
		t.function()
	case typeResource, typeResourceAsync:
		t.resource(code)
	default:
		t.valueDefinition(code)
	}
}

// function reads parameters, and a result or, of older ones, results with names.
func (t *types) function() {
	t.Vector(t.labelledType)
	if t.Byte() == 0 {
		t.valueType()
	} else {
		t.Vector(t.labelledType)
	}
}

// resource reads its representation and its destructor.
func (t *types) resource(code byte) {
	t.Byte()
	if code == typeResourceAsync || t.optional() {
		t.U32()
	}
	if code == typeResourceAsync && t.optional() {
		t.U32()
	}
}

func (t *types) valueDefinition(code byte) {
	switch code {
	case typeRecord:
		t.Vector(t.labelledType)
	case typeVariant:
		t.Vector(func() {
			t.name()
			t.optionalType()
			if t.optional() { // the case that it refines, in older ones
				t.U32()
			}
		})
	case typeTuple:
		t.Vector(t.valueType)
	case typeFlags, typeEnum:
		t.Vector(func() { t.name() })
	case typeList, typeOption:
		t.valueType()
	case typeFixedList:
		t.valueType()
		t.U32()
	case typeResult:
		t.optionalType()
		t.optionalType()
	case typeOwn, typeBorrow:
		t.U32()
	case typeFuture, typeStream:
		t.optionalType()
	case typeMap:
		t.valueType()
		t.valueType()
	case typeErrorContext:
	default:
		if code < firstPrimitive || code > lastPrimitive {
			t.Fail(fmt.Errorf("there is no type %#x", code))
		}
	}
}

// declaration reads a part of a component's or instance's type.
func (t *types) declaration() {
	const (
		declType   = 1
		declAlias  = 2
		declImport = 3
		declExport = 4
	)
	switch code := t.Byte(); code {
	case declType:
		t.definition()
	case declAlias:
		t.alias()
	case declImport:
		t.externName()
		t.externType()
	case declExport:
		name := t.externName()
		if kind := t.externType(); t.exported != nil && t.Err() == nil {
			t.exported(name, kind)
		}
	default:
		t.Fail(fmt.Errorf("a type has the unknown part %#x", code))
	}
}

func (t *types) alias() {
	const outer = 2
	t.sort()
	target := t.Byte()
	t.U32()
	if target == outer {
		t.U32()
	} else {
		t.name()
	}
}
