// SPDX-License-Identifier: Apache-2.0

// Command httpguest is a web server in Go on the listener that is its descriptor 3.
// With the argument "nonblock" it sets the descriptor to non-blocking first, which
// hosts need that do not say so themselves.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

const listener = 3

func main() {
	if len(os.Args) > 1 && os.Args[1] == "nonblock" {
		if err := syscall.SetNonblock(listener, true); err != nil {
			fatal(err)
		}
	}
	l, err := net.FileListener(os.NewFile(listener, "listener"))
	if err != nil {
		fatal(err)
	}
	fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
