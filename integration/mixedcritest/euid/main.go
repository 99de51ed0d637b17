// SPDX-License-Identifier: Apache-2.0

// Command euid tells its effective user. Its file in an image has the set-user-ID bit,
// by which the CRI validation suite sees whether that means anything.
package main

import (
	"fmt"
	"os"
)

func main() { fmt.Fprintf(os.Stdout, "Effective uid: %d\n", os.Geteuid()) }
