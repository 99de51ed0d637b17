// SPDX-License-Identifier: Apache-2.0

// Command podbench measures pods side by side: the same programs as Wasm under
// Wazelet and natively under containerd with runc, on one machine in one run, the
// sides in turn.
//
//	podbench [-o FILE] [-only PREFIXES] …   measure, and write the results as JSON
//	podbench -merge FILE …                  measure, into a file of results that is there
//	podbench kubelet …                      the same through a real control plane and kubelet
//	podbench compare OLD NEW                what has changed between two files; exit 1 on a regression
//	podbench report FILE -page PAGE         write the results into a page, and their plots beside it
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/podbench/report"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "podbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	mode := ""
	if len(args) > 0 {
		mode = args[0]
	}
	switch mode {
	case "drive":
		return driveCommand(ctx)
	case "kubelet":
		return kubeletCommand(ctx, args[1:])
	case "compare":
		return compareCommand(args[1:])
	case "report":
		return reportCommand(args[1:])
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	f, err := measure(ctx, o)
	return errors.Join(err, o.show(f))
}

// show prints and keeps what was measured, if anything was.
func (o *common) show(f *result.File) error {
	if f == nil || len(f.Series) == 0 {
		return nil
	}
	report.Markdown(os.Stdout, f)
	return o.keep(f)
}
