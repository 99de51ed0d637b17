// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
)

// findNames finds the name section, which most modules have near their end.
func (o *outline) findNames(sections []bytecode.Section) {
	for _, s := range sections {
		if s.ID != bytecode.Custom {
			continue
		}
		if r := bytecode.NewReader(s.Body); r.Name() == "name" {
			o.names = r.Rest()
		}
	}
}

// function names a function for a message: by its index, and by its name when
// the module has one for it.
func (o *outline) function(index int) string {
	if name := functionName(o.names, index); name != "" {
		return fmt.Sprintf("function %d (%.100s)", index, name)
	}
	return fmt.Sprintf("function %d", index)
}

// functionName looks a function up in a name section (core specification,
// appendix "Name Section").
func functionName(names []byte, index int) (found string) {
	const functionNames = 1
	for r := bytecode.NewReader(names); r.More(); {
		id, sub := r.Byte(), r.Sized()
		if id != functionNames {
			continue
		}
		sub.Vector(func() {
			if at, name := sub.U32(), sub.Name(); sub.Err() == nil && int64(at) == int64(index) {
				found = name
			}
		})
	}
	return found
}
