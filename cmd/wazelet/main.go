// SPDX-License-Identifier: Apache-2.0

// Command wazelet is the node daemon that runs WebAssembly pods for the
// kubelet, and the tools around it. It is the only place that wires the parts
// together.
package main

import (
	"context"
	"os"
	goruntime "runtime"
)

// The process's first thread does nothing but wait. Other threads enter namespaces of pods and are thrown away, which the
// first one is not: it would stay there, hold what is to be removed, and be what /proc shows of this process.
func init() { goruntime.LockOSThread() }

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
