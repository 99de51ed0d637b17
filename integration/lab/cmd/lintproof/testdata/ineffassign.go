// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

func assign(n int) int {
	m := n + 1 // want ineffassign "ineffectual"
	m = 2
	return m
}

var _ = assign
