// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/cmd/wazelet/doctor"
	"github.com/wazelet/wazelet/config"
)

// newDoctor makes `wazelet doctor`.
func newDoctor(load loader, file *string) *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Examine this node and say how to mend what is wrong", Args: cobra.NoArgs,
		Long: "Examine whether this node's kernel, cgroups, network, directories and kubelet\nare as Wazelet needs them. Nothing is changed. The exit code is 1 when a finding\nkeeps pods from running.",
	}
	form := outputFlag(c)
	kubelet := c.Flags().String("kubelet-config", doctor.DefaultKubeletConfig, "the kubelet's configuration file")
	crictl := c.Flags().String("crictl-config", doctor.DefaultCrictlConfig, "crictl's configuration file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		node, err := load()
		if err != nil {
			return err
		}
		worker, err := workerPath(node.Worker)
		if err != nil {
			return err
		}
		findings := doctor.Examine(c.Context(), doctor.Options{
			Config: node, Version: version.String(), WorkerPath: worker,
			ConfigPath: *file, KubeletConfig: *kubelet, CrictlConfig: *crictl,
		})
		write := doctor.WriteText
		if *form == "json" {
			write = doctor.WriteJSON
		}
		if err := write(c.OutOrStdout(), findings); err != nil {
			return err
		}
		if doctor.Failed(findings) {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return c
}

// workerPath is the worker program: the configured one, or the one beside this
// program.
func workerPath(c config.Worker) (string, error) {
	if c.Path != "" {
		return c.Path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(self), "wazelet-worker"), nil
}
