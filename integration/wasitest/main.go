// SPDX-License-Identifier: Apache-2.0

// Command wasitest runs the preview 1 cases of the public WASI test suite, from a
// checkout of it, through `wazelet run`, and fails unless all of them pass.
//
//	git clone -b prod/testsuite-base https://github.com/WebAssembly/wasi-testsuite
//	wasitest -wazelet bin/wazelet wasi-testsuite
//
// A case is a module and a specification of what it is given and what it must
// answer (doc/specification.md of the suite). The program gives it no more than
// that: no variables but the specification's, no directory unless it names one,
// and of that a fresh copy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "wasitest:", err)
		os.Exit(1)
	}
}

// errFailed says no more than the report above it.
var errFailed = errors.New("not all cases passed")

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("wasitest", flag.ContinueOnError)
	wazelet := flags.String("wazelet", "bin/wazelet", "the program to test; wazelet-worker lies beside it")
	timeout := flags.Duration("timeout", 30*time.Second, "how long one case may take, compiling included")
	only := flags.String("run", "", "run only cases whose suite/name matches this `regexp`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return fmt.Errorf("where is the suite? Give the directory (make: WASI_TESTSUITE=DIR) of %s", wanted)
	}
	cases, err := find(flags.Arg(0), match)
	if err != nil {
		return err
	}
	r, err := newRunner(*wazelet, *timeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	report := newReport(out)
	for _, c := range cases {
		outcome := r.run(ctx, c)
		if err := ctx.Err(); err != nil {
			return err
		}
		report.add(c, outcome)
	}
	if !report.end() {
		return errFailed
	}
	return nil
}
