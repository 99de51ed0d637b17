// SPDX-License-Identifier: Apache-2.0

package component

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// worldSection begins the name of the custom section in which bindings say which world a module or a component was built
// for (wit-component, "metadata"). What follows in the name is the tool's business.
const worldSection = "component-type"

func isWorld(section string) bool {
	return section == worldSection || strings.HasPrefix(section, worldSection+":")
}

// sectionType is the type section of a component.
const sectionType = 7

// layer is the word of the preamble by which a component differs from a module.
const layer = 1

// World returns the name of the world in the content of a section that says it, such as "wasi:cli/command@0.2.0"; "" when
// that cannot be read. The content is a component, whose first type is a component type that exports the world under its
// name.
func World(section []byte) string {
	if len(section) < bytecode.PreambleLen || binary.LittleEndian.Uint16(section[6:]) != layer {
		return ""
	}
	r := bytecode.NewReader(section[bytecode.PreambleLen:])
	for r.More() {
		id := r.Byte()
		body := r.Take(uint64(r.U32()))
		if r.Err() == nil && id == sectionType {
			return exportedComponent(body)
		}
	}
	return ""
}

// exportedComponent returns the name of the first component that the first type of a section exports.
func exportedComponent(section []byte) string {
	var found string
	t := &types{Reader: bytecode.NewReader(section)}
	t.exported = func(name, kind string) {
		const outermost = 1
		if found == "" && kind == "component" && t.depth == outermost {
			found = name
		}
	}
	if t.U32() == 0 {
		return ""
	}
	t.definition()
	if t.Err() != nil {
		return ""
	}
	return found
}

// ModuleWorld returns the world that a core module was built for, as World does; "" when it does not say.
func ModuleWorld(module []byte) string {
	if len(module) < bytecode.PreambleLen {
		return ""
	}
	sections, err := bytecode.Sections(module)
	if err != nil {
		return ""
	}
	for _, section := range sections {
		if section.ID != bytecode.Custom {
			continue
		}
		if r := bytecode.NewReader(section.Body); isWorld(r.Name()) {
			if world := World(r.Rest()); world != "" {
				return world
			}
		}
	}
	return ""
}

// worlds are those that are known by an interface which only their components export.
var worlds = map[string]string{
	"wasi:cli/run":               "wasi:cli/command",
	"wasi:http/incoming-handler": "wasi:http/proxy",
	"wasi:http/handler":          "wasi:http/service", // of WASI 0.3
}

// worldOf tells the world by the exports: tools leave it out of what they have linked.
func worldOf(exports []Extern) string {
	var found []string
	for _, e := range exports {
		name, version, _ := strings.Cut(e.Name, "@")
		if world := worlds[name]; world != "" && e.Kind == "instance" {
			if version != "" {
				world += "@" + version
			}
			found = append(found, world)
		}
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), ", ")
}
