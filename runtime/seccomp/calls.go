// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"strings"
	"sync"
)

// numbers maps the names of this machine's system calls to their numbers.
var numbers = sync.OnceValue(func() map[string]uint32 {
	table := map[string]uint32{}
	for word := range strings.FieldsSeq(calls) {
		var number uint32
		name, text, _ := strings.Cut(word, "=")
		if _, err := fmt.Sscan(text, &number); err != nil {
			panic("system call " + word + ": " + err.Error()) // a test reads the table whole
		}
		table[name] = number
	}
	return table
})
