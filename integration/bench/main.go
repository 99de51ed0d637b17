// SPDX-License-Identifier: Apache-2.0

// Command bench compares Wazelet's WASI host with the one wazero has built in and
// with wasmtime's, in one run, and prints a Markdown table. It is a module of its
// own because wasmtime needs cgo.
//
// The engines take turns: each round has each of them do each piece of work once,
// and the table has the medians over the rounds. What a busy machine does to one it
// does to all.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan says how much is measured.
type plan struct {
	rounds int
	http   time.Duration // for one measurement of requests
	idle   time.Duration // for one measurement of idle CPU
	source string        // this directory, where the server's source is
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		// Parts of the measurement that need a process of their own.
		switch args[0] {
		case "ping":
			return ping(args[1:])
		case "serve":
			return serve(ctx, args[1:])
		}
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	p := plan{}
	flags.IntVar(&p.rounds, "rounds", 7, "how often everything is measured")
	flags.DurationVar(&p.http, "http", time.Second, "how long requests are counted, each time")
	flags.DurationVar(&p.idle, "idle", 2*time.Second, "how long the CPU time of an idle server is counted")
	flags.StringVar(&p.source, "source", "integration/bench", "the directory of this program's source")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// A guest will have this process's own.
	out, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	table := os.NewFile(uintptr(out), "table")
	defer table.Close()
	work, err := os.MkdirTemp("", "wasibench")
	if err != nil {
		return err
	}
	err = measure(ctx, p, work, table)
	return errors.Join(err, os.RemoveAll(work))
}

func measure(ctx context.Context, p plan, work string, out io.Writer) error {
	describe(out)
	calls, err := measureCalls(ctx, p, work)
	if err != nil {
		return err
	}
	calls.print(out)
	servers, err := measureServers(ctx, p, work)
	if err != nil {
		return err
	}
	servers.print(out)
	return nil
}
