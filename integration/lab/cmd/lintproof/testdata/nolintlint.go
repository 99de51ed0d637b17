// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import "os"

func leave(path string) {
	os.Remove(path) //nolint:errcheck
	os.Remove(path) //nolint // because
}

// want above nolintlint "explanation"
// want above nolintlint "specific linter"

var _ = leave
