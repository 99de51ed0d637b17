// SPDX-License-Identifier: Apache-2.0

// Command testsummary reads the events of go test -json and prints what a person
// wants of them: a line per package, the whole output of what failed, and the
// counts at the end. It fails when a test did, and when there was none.
//
//	go test -json ./... | testsummary
package main

import (
	"fmt"
	"os"
)

func main() {
	s := newSummary(os.Stdout)
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
	if !s.end() {
		os.Exit(1)
	}
}
