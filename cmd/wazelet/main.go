// SPDX-License-Identifier: Apache-2.0

// Command wazelet is the node daemon that runs WebAssembly pods for the
// kubelet, and the tools around it. It is the only place that wires the parts
// together.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
