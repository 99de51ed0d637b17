// SPDX-License-Identifier: Apache-2.0

//go:build !wasip1

package main

import (
	"errors"
	"net"
	"os"
)

// listen listens on the port that the argument names.
func listen() (net.Listener, error) {
	if len(os.Args) != 2 {
		return nil, errors.New("web: which port?")
	}
	return net.Listen("tcp", ":"+os.Args[1])
}
