// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import "os"

func leave(path string) {
	os.Remove(path) // want errcheck "os.Remove"
}

var _ = leave
