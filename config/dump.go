// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// commentWidth is the column at which comments are broken.
const commentWidth = 90

// Dump writes the configuration as a file that Read accepts, each key under its
// documentation.
func (c Config) Dump() ([]byte, error) {
	d := &dumper{}
	d.table("", reflect.ValueOf(c), reflect.Value{})
	return bytes.TrimLeft(d.Bytes(), "\n"), d.err
}

// DumpChanges writes the configuration like Dump, but only the keys whose value is not
// the default, and the version: what an administrator would write.
func (c Config) DumpChanges() ([]byte, error) {
	d := &dumper{}
	defaults := Default()
	defaults.Version = 0
	d.table("", reflect.ValueOf(c), reflect.ValueOf(defaults))
	return bytes.TrimLeft(d.Bytes(), "\n"), d.err
}

// dumper writes a file and keeps the first error.
type dumper struct {
	bytes.Buffer
	err error
}

// table writes the keys of one struct, plain values before tables. The path is
// the table's own, empty for the file itself. What is as in the defaults is left out;
// the zero Value has no defaults.
func (d *dumper) table(path string, value, defaults reflect.Value) {
	for _, tables := range []bool{false, true} {
		for field, content := range value.Fields() {
			name := field.Tag.Get("toml")
			kind := content.Kind()
			var standard reflect.Value
			if defaults.IsValid() {
				standard = defaults.FieldByIndex(field.Index)
			}
			switch isTable := kind == reflect.Struct || kind == reflect.Map; {
			case isTable != tables:
			case standard.IsValid() && reflect.DeepEqual(content.Interface(), standard.Interface()):
			case kind == reflect.Struct:
				d.header(child(path, name))
				d.table(child(path, name), content, standard)
			case kind == reflect.Map:
				d.header(child(path, name))
				d.tables(child(path, name), content)
			default:
				d.value(child(path, name), name, content)
			}
		}
	}
}

// tables writes the tables of a map, by name.
func (d *dumper) tables(path string, value reflect.Value) {
	names := map[string]reflect.Value{}
	for key, content := range value.Seq2() {
		names[key.String()] = content
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.header(child(path, name))
		d.table(child(path, name), names[name], reflect.Value{})
	}
}

func (d *dumper) header(path string) {
	d.comment("\n", path)
	fmt.Fprintf(d, "[%s]\n", path)
}

// value writes one key. The library quotes and formats it.
func (d *dumper) value(path, name string, value reflect.Value) {
	before := ""
	if !strings.Contains(path, ".") {
		before = "\n"
	}
	d.comment(before, path)
	line, err := toml.Marshal(map[string]any{name: value.Interface()})
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", path, err)
	}
	d.Write(line)
}

// comment writes the documentation of a key, after the given white space.
func (d *dumper) comment(before, path string) {
	d.WriteString(before)
	k, _ := lookup(path)
	text := k.doc
	if k.values != nil {
		text += " One of: " + strings.Join(k.values, ", ") + "."
	}
	for line := range strings.Lines(wrap(text, commentWidth-len("# "))) {
		d.WriteString("# " + line)
	}
}

// child is the path of a key in a table.
func child(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// wrap breaks text between words into lines that end in a newline and are no
// longer than width bytes, as far as the words allow.
func wrap(text string, width int) string {
	var out strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	if column > 0 {
		out.WriteByte('\n')
	}
	return out.String()
}
