// SPDX-License-Identifier: Apache-2.0

// Command compute measures programs that do nothing but compute: natively, under
// Wazelet, on wazero as it is released, and on wasmtime, in one run.
//
//	compute [-o FILE] [-only NAMES] …   measure, and write the results as JSON
//	compute report -page PAGE FILE      write the results into a page, and a plot beside it
//	compute engine …                    what the sides of the engines themselves run
//
// Each side runs the same program, as a process of its own, in turn. The program
// says itself how long each round took, so that nothing of its start is in it, and a
// checksum of what it computed, which must be the same everywhere.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/podbench/report"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compute:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "engine":
			return engineCommand(ctx, args[1:])
		case "report":
			return reportCommand(args[1:])
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	f, err := measure(ctx, o)
	if err != nil {
		return err
	}
	table(os.Stdout, f)
	if o.merge {
		old, err := result.Read(o.out)
		if err != nil {
			return err
		}
		old.Merge(f)
		f = old
	}
	return f.Write(o.out)
}

// options are those of a run. Paths are below the repository's root, where the run
// is started.
type options struct {
	out, source, wazelet string
	turns, rounds, fifo  int
	only                 []string
	wasmedge, merge      bool
	args                 []string
}

func parse(args []string) (*options, error) {
	o := &options{args: args}
	var only string
	flags := flag.NewFlagSet("compute", flag.ContinueOnError)
	flags.StringVar(&o.out, "o", ".cache/compute.json", "write the results to this file")
	flags.StringVar(&o.source, "source", "integration/bench", "the directory of this module's source")
	flags.StringVar(&o.wazelet, "wazelet", "bin/wazelet", "the wazelet binary, with wazelet-worker beside it")
	flags.StringVar(&only, "only", "", "only the kernels that begin with one of these, separated by commas: c/sort, go …")
	flags.IntVar(&o.turns, "turns", 7, "how often each side has its turn with each kernel")
	flags.IntVar(&o.rounds, "rounds", 3, "how many rounds are measured in a turn, after one that is not")
	flags.IntVar(&o.fifo, "fifo", 0, "run every side with this priority of SCHED_FIFO, so that what else the machine does does not matter (as root)")
	flags.BoolVar(&o.merge, "merge", false, "keep what the file has of kernels that are not measured")
	flags.BoolVar(&o.wasmedge, "wasmedge", false, "WasmEdge as Debian builds it, too; compiling for it takes some minutes (x86-64)")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("what is %s?", strings.Join(flags.Args(), " "))
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	var err error
	o.wazelet, err = filepath.Abs(o.wazelet)
	return o, err
}

// reportCommand writes a file of results into a page, or to the standard output.
func reportCommand(args []string) error {
	return report.Command("compute report", args, func(f *result.File) { table(os.Stdout, f) }, writePage)
}
