// SPDX-License-Identifier: Apache-2.0

// The Go runtime must never stop the world beside a guest that computes, for
// it would wait for ever: so it does not follow changes of the cgroup's
// processor limit. (The collector is turned off by package engine.)
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Wazelet-worker-http is wazelet-worker with an HTTP client linked in, for containers
// whose guests may make requests by host functions (docs/outbound-http.md): all others
// would pay for net/http and TLS, in every process.
package main

import (
	"os"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall/client"
	"github.com/wazelet/wazelet/runtime/worker"
)

func main() { os.Exit(worker.Main(os.Args, version.String(), client.New)) }
