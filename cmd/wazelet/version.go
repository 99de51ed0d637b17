// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	goruntime "runtime"

	"github.com/spf13/cobra"

	"github.com/wazelet/wazelet/cmd/version"
)

// newVersion makes `wazelet version`.
func newVersion() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	form := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *form == "json" {
			encoder := json.NewEncoder(c.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(map[string]string{
				"version":  version.String(),
				"revision": version.Revision(),
				"go":       goruntime.Version(),
				"platform": goruntime.GOOS + "/" + goruntime.GOARCH,
			})
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), version.String())
		return err
	}
	return c
}
