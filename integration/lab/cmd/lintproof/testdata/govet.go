// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import "fmt"

func format() string {
	return fmt.Sprintf("%d", "seven") // want govet "printf"
}

type pair struct{ a, b int }

func deref(p *pair) int {
	if p == nil {
		return p.a // want govet "nilness"
	}
	return p.b
}

func write(p pair) {
	p.a = 1 // want govet "unusedwrite"
}

var _, _, _ = format, deref, write
