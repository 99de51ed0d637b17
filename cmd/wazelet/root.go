// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/wazelet/wazelet/config"
)

// Exit codes of every command but `run`, which has the codes of its guest.
const (
	exitFailed = 1 // the command did not do what it is for; standard error says why
	exitUsage  = 2 // the command line itself is wrong
)

// exitError is an error that has its own exit code. Without a text in it,
// everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d: %v", e.code, e.err) }
func (e *exitError) Unwrap() error { return e.err }

// run is the whole program: arguments and streams in, exit code out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(args)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	understood := false // cobra has no error type for a command line that is wrong
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	err := root.ExecuteContext(ctx)
	switch exit, coded := errors.AsType[*exitError](err); {
	case err == nil:
		return 0
	case coded:
		if exit.err != nil {
			fmt.Fprintln(stderr, "wazelet:", exit.err)
		}
		return exit.code
	case !understood:
		fmt.Fprintf(stderr, "wazelet: %v\nRun `wazelet help` for the commands and their flags.\n", err)
		return exitUsage
	default:
		fmt.Fprintln(stderr, "wazelet:", err)
		return exitFailed
	}
}

// newRoot makes the command tree for these arguments. It is made anew for each
// run, because flags are kept in it.
func newRoot(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "wazelet",
		Short:         "Run WebAssembly pods on a Kubernetes node",
		Long:          "Wazelet is a node daemon that an unmodified kubelet talks CRI to. Pods whose\nRuntimeClass names a Wasm handler run as WebAssembly, each container in a\nconfined process of its own.",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	file := root.PersistentFlags().String("config", config.DefaultPath, "configuration file")
	load := func() (config.Config, error) {
		return loadConfig(*file, root.PersistentFlags().Changed("config"))
	}
	root.AddCommand(newServe(load), newRun(load, args), newImage(load, args), newConfig(load), newDoctor(load, file), newVersion(),
		newInstall(file), newUninstall(file), newWait())
	return root
}

// loader reads the configuration that the command line names.
type loader func() (config.Config, error)

// loadConfig reads a file. Only a file that nobody asked for may be absent.
func loadConfig(path string, named bool) (config.Config, error) {
	c, err := config.Load(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return config.Default(), nil
	}
	return c, err
}

// outputFlag adds --output to a command that can also speak to programs.
func outputFlag(c *cobra.Command) *output {
	o := output("text")
	c.Flags().VarP(&o, "output", "o", "form of the output: text or json")
	return &o
}

// output is the value of --output.
type output string

func (o *output) String() string { return string(*o) }
func (o *output) Type() string   { return "form" }

// Set accepts the forms that there are.
func (o *output) Set(form string) error {
	if form != "text" && form != "json" {
		return fmt.Errorf("there is text and json")
	}
	*o = output(form)
	return nil
}
