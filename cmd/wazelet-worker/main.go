// SPDX-License-Identifier: Apache-2.0

// The Go runtime must never stop the world beside a guest that computes, for
// it would wait for ever: so it does not follow changes of the cgroup's
// processor limit. (The collector is turned off by package engine.)
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Wazelet-worker is the process of one container, of a command in one, or a
// compiler. The daemon
// starts it with its descriptors in place (package runtime/worker/launch); it
// is of no use by hand.
package main

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/runtime/worker"
)

// processors leaves one to the guest and one to signals and control calls.
const processors = 2

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	if len(args) == 2 {
		switch args[1] {
		case "container":
			goruntime.GOMAXPROCS(processors)
			return worker.Container(context.Background())
		case "exec":
			goruntime.GOMAXPROCS(processors)
			return worker.Exec(context.Background())
		case "compile":
			return worker.Compile(context.Background())
		case "version":
			fmt.Fprintln(os.Stdout, version.String())
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "wazelet-worker is started by wazelet; it has the modes container, exec and compile")
	return 2
}
