// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"flag"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// Command is a benchmark's command report, with its arguments: it reads a file of results
// and shows it, or writes it into a page if one is named.
func Command(name string, args []string, show func(*result.File), write func(page string, f *result.File) error) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	page := flags.String("page", "", "write into this Markdown page, between its marks, and what is drawn beside it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("report: of which file?")
	}
	f, err := result.Read(flags.Arg(0))
	if err != nil {
		return err
	}
	if *page == "" {
		show(f)
		return nil
	}
	return write(*page, f)
}
