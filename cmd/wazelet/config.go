// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/wazelet/wazelet/config"
)

// newConfig makes `wazelet config`.
func newConfig(load loader) *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Look at the configuration", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	group.AddCommand(
		&cobra.Command{
			Use: "default", Short: "Print the defaults with the documentation of every key", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return dump(c.OutOrStdout(), config.Default()) },
		},
		&cobra.Command{
			Use: "dump", Short: "Print the configuration in force: the file over the defaults", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				inForce, err := load()
				if err != nil {
					return err
				}
				return dump(c.OutOrStdout(), inForce)
			},
		},
		&cobra.Command{
			Use: "check", Short: "Judge the configuration and explain each finding", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return check(c.OutOrStdout(), load) },
		},
	)
	return group
}

func dump(w io.Writer, c config.Config) error {
	text, err := c.Dump()
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// check writes each finding with what the key means below it.
func check(w io.Writer, load loader) error {
	_, err := load()
	findings, wrong := errors.AsType[config.Findings](err)
	if !wrong && err != nil {
		return err
	}
	for _, finding := range findings {
		fmt.Fprintln(w, finding)
		if finding.Doc != "" {
			fmt.Fprintln(w, "    "+finding.Doc)
		}
	}
	if wrong {
		return &exitError{code: exitFailed}
	}
	_, err = fmt.Fprintln(w, "the configuration is valid")
	return err
}
