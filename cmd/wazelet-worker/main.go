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
	"os"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/runtime/worker"
)

func main() { os.Exit(worker.Main(os.Args, version.String(), nil)) }
