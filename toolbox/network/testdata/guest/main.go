// SPDX-License-Identifier: Apache-2.0

// Command guest is the commands of the network alone, as a WASI program. Its arguments are a command,
// or several with ";" between them.
package main

import (
	"context"
	"os"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/network"
)

func main() {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	table, code := command.NewTable(network.Commands()), 0
	c := &command.Call{
		Name: "guest", Env: os.Environ(), Dir: dir,
		Stdin: command.Stdin(), Stdout: os.Stdout, Stderr: os.Stderr,
	}
	var argv []string
	for _, arg := range append(os.Args[1:], ";") {
		if arg != ";" {
			argv = append(argv, arg)
			continue
		}
		code = table.Run(context.Background(), c, argv)
		argv = nil
	}
	os.Exit(code)
}
