// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

func each(names []string, f func(func() string)) {
	for _, name := range names {
		name := name // want copyloopvar "can be deleted"
		f(func() string { return name })
	}
}

var _ = each
