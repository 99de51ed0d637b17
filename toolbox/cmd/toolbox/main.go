// SPDX-License-Identifier: Apache-2.0

// Command toolbox is a shell and the usual commands in one WASI program. Which command it is to be,
// the base name of argv[0] says, or else the first argument; `toolbox --list` lists them.
package main

import (
	"context"
	"fmt"
	"os"
	"path"

	"github.com/wazelet/wazelet/toolbox/command"
)

func main() {
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	c := &command.Call{
		Dir: dir, Stdin: command.Stdin(), Stdout: command.Stdout, Stderr: command.Stderr,
		Interrupts: &command.Interrupts{},
	}
	c.Interrupts.Handle(func() { os.Exit(codeInterrupted) })
	var interrupts *os.File
	if interrupts, c.Env = command.OpenInterrupts(os.Environ()); interrupts != nil {
		go c.Interrupts.Listen(interrupts)
	}
	os.Exit(run(context.Background(), c, os.Args))
}

// codeInterrupted is the exit code of what Ctrl-C ends: 128 + SIGINT.
const codeInterrupted = 130

// run is the program: it runs the command that argv means and returns its exit code.
func run(ctx context.Context, c *command.Call, argv []string) int {
	t := table()
	name := ""
	if len(argv) > 0 {
		name = path.Base(argv[0])
	}
	if !t.Has(name) {
		if len(argv) < 2 {
			argv = []string{"toolbox", "--help"}
		}
		argv = argv[1:]
	}
	c.Name = "toolbox"
	switch name = path.Base(argv[0]); {
	case name == "--list":
		for _, name := range t.Names() {
			c.Printf("%s\n", name)
		}
		return 0
	case name == "--help":
		c.Printf("usage: toolbox COMMAND [ARGUMENT…], or by the name of a command\n\ncommands:")
		for _, name := range t.Names() {
			c.Printf(" %s", name)
		}
		c.Printf("\n")
		return 0
	case !t.Has(name):
		fmt.Fprintf(c.Stderr, "toolbox: %s: no such command; toolbox --list has those there are\n", argv[0])
		return command.CodeNotFound
	}
	return t.Run(ctx, c, append([]string{name}, argv[1:]...))
}
