// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/wazelet/wazelet/integration/podbench/report"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// compareCommand shows what has changed between two files of results.
func compareCommand(args []string) error {
	flags := flag.NewFlagSet("podbench compare", flag.ContinueOnError)
	tolerance := flags.Float64("tolerance", 0.1, "how much worse is no regression")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("compare: which two files?")
	}
	before, err := result.Read(flags.Arg(0))
	if err != nil {
		return err
	}
	after, err := result.Read(flags.Arg(1))
	if err != nil {
		return err
	}
	if worse := report.Compare(os.Stdout, before, after, *tolerance); len(worse) > 0 {
		return fmt.Errorf("worse: %s", strings.Join(worse, "; "))
	}
	return nil
}

// reportCommand writes a file of results into a page, or to the standard output.
func reportCommand(args []string) error {
	return report.Command("podbench report", args, func(f *result.File) { report.Markdown(os.Stdout, f) }, report.Page)
}
