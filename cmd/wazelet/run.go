// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/spf13/cobra"

	"github.com/wazelet/wazelet/cmd/wazelet/foreground"
	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/runtime"
)

// newRun makes `wazelet run`. args are those of the whole program, for running
// it again inside a user namespace.
func newRun(load loader, args []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "run [flags] MODULE|IMAGE [args...]",
		Short: "Run one module in the foreground",
		Long: `Run one module in the foreground, in a worker like a pod's, with this
command's standard streams, network and exit code. MODULE is the path of a .wasm
file; anything else is an image, which is pulled the first time. The guest sees
no files of the host but those that --dir gives it.

Root is not needed: without it, the worker lives in a user namespace.

Exit codes before the guest starts are 125 (Wazelet's own trouble), 126 (not a
module that can run) and 127 (not found). A guest that traps is 134, one that a
signal ends is 128 and the signal's number.`,
		Example: `  wazelet run hello.wasm --name value
  wazelet run --listen 127.0.0.1:8080 server.wasm
  wazelet run --env LEVEL=debug --dir ./data:/data:ro convert.wasm /data/in
  wazelet run registry.example/team/app:v1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("run what? Name a module's file or an image"))
			}
			return nil
		},
	}
	c.Flags().SetInterspersed(false) // what follows the module is the guest's
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	env := c.Flags().StringArrayP("env", "e", nil, "set a variable `KEY=VALUE`, or pass this command's own KEY on")
	clearEnv := c.Flags().Bool("clear-env", false, "set no variables but those of --env: neither the image's nor PATH, HOSTNAME and PWD")
	dirs := c.Flags().StringArray("dir", nil, "show a directory or file of the host: `HOST[:GUEST[:ro]]`")
	noDirs := c.Flags().Bool("no-dirs", false, "open no directory for the guest, not even its root")
	listen := c.Flags().StringArray("listen", nil, "hand the guest a socket: `[NAME=][tcp://|udp://]ADDRESS:PORT`")
	allowHTTP := c.Flags().StringArray("allow-http", nil, "let the guest make HTTP requests by host functions to `[SCHEME://]HOST[:PORT]`, or to * (anywhere)")
	workDir := c.Flags().StringP("workdir", "w", "", "the guest's working directory (default the image's, or /)")
	c.RunE = func(c *cobra.Command, rest []string) error {
		if foreground.NeedsUserNamespace() {
			return exit(foreground.UserNamespace(c.Context(), args, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()))
		}
		o, err := runOptions(c, load)
		if err != nil {
			return usage(err)
		}
		o.Program, o.Args = rest[0], rest[1:]
		if o.Env, err = variables(*env); err != nil {
			return usage(err)
		}
		if *noDirs && len(*dirs) > 0 {
			return usage(errors.New("--dir and --no-dirs: give one of them"))
		}
		o.ClearEnv, o.NoDirs = *clearEnv, *noDirs
		for _, dir := range *dirs {
			d, err := foreground.ParseDir(dir)
			if err != nil {
				return usage(fmt.Errorf("--dir: %w", err))
			}
			o.Dirs = append(o.Dirs, d)
		}
		if o.Listen, err = parseAll("--listen", *listen, runtime.ParseListener); err != nil {
			return usage(err)
		}
		if o.Outbound, err = parseAll("--allow-http", *allowHTTP, runtime.ParseOrigin); err != nil {
			return usage(err)
		}
		if o.WorkDir = *workDir; o.WorkDir != "" && !strings.HasPrefix(o.WorkDir, "/") {
			return usage(fmt.Errorf("--workdir: %q is not an absolute path of the guest", o.WorkDir))
		}
		return exit(foreground.Run(c.Context(), o))
	}
	return c
}

// runOptions are those that do not come from flags.
func runOptions(c *cobra.Command, load loader) (o foreground.Options, err error) {
	if o.Config, err = load(); err != nil {
		return o, err
	}
	if err := startLog(config.Log{Level: "error", Format: "text"}, c.ErrOrStderr()); err != nil {
		return o, err
	}
	if o.Store, err = foreground.DefaultStore(); err != nil {
		return o, err
	}
	o.WorkerPath, err = workerPath(o.Config.Worker)
	o.Progress = c.ErrOrStderr()
	return o, err
}

// parseAll reads each value that was given to a flag.
func parseAll[T any](flag string, given []string, parse func(string) (T, error)) (list []T, err error) {
	for _, item := range given {
		value, err := parse(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		list = append(list, value)
	}
	return list, nil
}

// variables completes "KEY" with this process's own value, if it has one.
func variables(given []string) (env []string, err error) {
	for _, kv := range given {
		name, _, set := strings.Cut(kv, "=")
		if name == "" {
			return nil, fmt.Errorf("--env: %q has no name", kv)
		}
		if !set {
			value, known := os.LookupEnv(name)
			if !known {
				continue
			}
			kv = name + "=" + value
		}
		env = append(env, kv)
	}
	return env, nil
}

// usage makes an error with the code of what is wrong before the guest.
func usage(err error) error { return &exitError{code: foreground.CodeOwn, err: err} }

// exit makes the guest's code this program's. With an error as well, the guest
// was killed, or has not started.
func exit(code int, err error) error {
	if code == 0 && err == nil {
		return nil
	}
	if code == 0 {
		code = foreground.ExitCode(err)
	}
	return &exitError{code: code, err: clean(err)}
}

// clean takes the classes' own words off the end of a message.
func clean(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, class := range []error{errdefs.ErrInvalidArgument, errdefs.ErrNotFound, errdefs.ErrFailedPrecondition, errdefs.ErrInternal} {
		text = strings.TrimSuffix(text, ": "+class.Error())
	}
	return fmt.Errorf("%s", text)
}
