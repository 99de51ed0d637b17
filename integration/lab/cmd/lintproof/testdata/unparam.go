// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import "strings"

func count(text string) (int, error) { // want unparam "is always nil"
	n := 0
	for _, word := range strings.Fields(text) {
		n += len(word)
	}
	return n, nil
}

func use(a string) int {
	n, err := count(a)
	if err != nil {
		return 0
	}
	return n
}

var _ = use
