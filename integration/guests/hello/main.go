// SPDX-License-Identifier: Apache-2.0

// Command hello greets, and prints its arguments and environment: the first
// program of everybody.
package main

import (
	"fmt"
	"os"
	"slices"
)

func main() {
	fmt.Println("Hello, world!")
	fmt.Printf("Args are: %q\n", os.Args[1:])
	env := os.Environ()
	slices.Sort(env)
	for _, v := range env {
		fmt.Println("Env:", v)
	}
}
