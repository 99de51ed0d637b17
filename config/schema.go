// SPDX-License-Identifier: Apache-2.0

package config

import (
	_ "embed"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"sync"
)

// source is config.go, whose field comments document the keys.
//
//go:embed config.go
var source string

// key describes one key or table of the file.
type key struct {
	path   string   // dotted, e.g. "grpc.address"; a table's own name for a table
	table  bool     // it holds other keys and has no value of its own
	form   string   // how the value is written: "string", "integer", "duration", …
	values []string // the only values allowed, nil when there is no such list
	doc    string   // what the key means, in a sentence or two
}

// anyName stands in a path for a name that the file's author chooses.
const anyName = "NAME"

// keys lists every key and table of the file, in the order of the file.
var keys = sync.OnceValue(func() []key {
	docs := fieldDocs()
	return structKeys(nil, "", reflect.TypeFor[Config](), docs)
})

// structKeys appends the keys of one struct: plain values first, because in
// TOML a key after a table's header belongs to that table.
func structKeys(list []key, prefix string, t reflect.Type, docs map[string]string) []key {
	for _, tables := range []bool{false, true} {
		for field := range t.Fields() {
			kind := field.Type.Kind()
			if isTable := kind == reflect.Struct || kind == reflect.Map; isTable != tables {
				continue
			}
			k := key{
				path:  prefix + field.Tag.Get("toml"),
				table: tables,
				form:  form(field.Type),
				doc:   docs[t.Name()+"."+field.Name],
			}
			if values := field.Tag.Get("values"); values != "" {
				k.values = strings.Split(values, ",")
			}
			list = append(list, k)
			switch kind {
			case reflect.Struct:
				list = structKeys(list, k.path+".", field.Type, docs)
			case reflect.Map:
				list = structKeys(list, k.path+"."+anyName+".", field.Type.Elem(), docs)
			}
		}
	}
	return list
}

// form says how a value of this Go type is written in the file.
func form(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[ByteSize]():
		return "size"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "table"
	case reflect.Slice:
		return "array of " + form(t.Elem()) + "s"
	case reflect.Int:
		return "integer"
	default:
		return t.Kind().String()
	}
}

// fieldDocs reads the comment of each struct field in source, keyed
// "Type.Field". The source was compiled into this very program, so that it
// parses is not in question.
func fieldDocs() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments)
	if err != nil {
		panic(err)
	}
	docs := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, isType := node.(*ast.TypeSpec)
		if !isType {
			return true
		}
		if structType, isStruct := spec.Type.(*ast.StructType); isStruct {
			for _, field := range structType.Fields.List {
				docs[spec.Name.Name+"."+field.Names[0].Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
			}
		}
		return false
	})
	return docs
}

// lookup finds the description of a key, of which the parts that the file's
// author chose may be any names.
func lookup(path string) (key, bool) {
	for _, k := range keys() {
		if matches(k.path, path) {
			return k, true
		}
	}
	return key{}, false
}

// matches reports whether path is an instance of pattern.
func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "."), strings.Split(path, ".")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && want[i] != anyName {
			return false
		}
	}
	return true
}
