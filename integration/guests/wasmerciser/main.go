// SPDX-License-Identifier: Apache-2.0

// Command wasmerciser does what its arguments say, one step each, and fails at the
// first that does not hold. It speaks the language of the program of that name
// that Krustlet was tested with:
//
//	assert_exists(file:/path)            assert_exists(env:NAME)
//	assert_not_exists(file:/path)        assert_not_exists(env:NAME)
//	read(file:/path)to(var:x)            read(env:NAME)to(var:x)
//	assert_value(var:x)is(lit:text)      assert_value(var:x)is(var:y)
//	write(lit:text)to(file:/path)        write(var:x)to(stm:stdout)
package main

import (
	"fmt"
	"os"
)

func main() {
	m := machine{vars: map[string]string{}, stdout: os.Stdout, stderr: os.Stderr}
	for _, step := range os.Args[1:] {
		if err := m.do(step); err != nil {
			fmt.Fprintf(os.Stderr, "ERR: %s: %v\n", step, err)
			os.Exit(1)
		}
	}
}
