// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import (
	"fmt"
	"io"
	"io/fs"
)

func compare(err error) bool {
	return err == io.EOF // want errorlint "errors.Is"
}

func assert(err error) bool {
	_, ok := err.(*fs.PathError) // want errorlint "errors.As"
	return ok
}

func wrap(err error) error {
	return fmt.Errorf("read: %v", err) // want errorlint "%w"
}

var _, _, _ = compare, assert, wrap
