// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

func tangled(n int) int { // want gocyclo "complexity"
	if n == 1 {
		n++
	}
	if n == 2 {
		n++
	}
	if n == 3 {
		n++
	}
	if n == 4 {
		n++
	}
	if n == 5 {
		n++
	}
	if n == 6 {
		n++
	}
	if n == 7 {
		n++
	}
	if n == 8 {
		n++
	}
	if n == 9 {
		n++
	}
	if n == 10 {
		n++
	}
	if n == 11 {
		n++
	}
	if n == 12 {
		n++
	}
	if n == 13 {
		n++
	}
	if n == 14 {
		n++
	}
	if n == 15 {
		n++
	}
	if n == 16 {
		n++
	}
	return n
}

var _ = tangled
