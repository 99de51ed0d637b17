// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

func same(n int) int {
	return int(n) // want unconvert "unnecessary"
}

var _ = same
