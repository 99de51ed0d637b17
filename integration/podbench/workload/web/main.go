// SPDX-License-Identifier: Apache-2.0

// Command web is an ordinary web server with net/http, the same as Wasm and
// natively but for where its listener comes from.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	l, err := listen()
	if err == nil {
		err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
