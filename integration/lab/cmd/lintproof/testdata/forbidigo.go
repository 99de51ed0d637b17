// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import (
	"fmt"
	"os"
)

func say(err error) {
	fmt.Println("absent")   // want forbidigo "write to a writer"
	if os.IsNotExist(err) { // want forbidigo "use errors.Is"
		os.Exit(1) // want forbidigo "only main ends"
	}
}

var _ = say
