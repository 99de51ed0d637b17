// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/cmd/wazelet/install"
)

// installFlags adds the flags that install and uninstall have in common.
func installFlags(c *cobra.Command, o *install.Options) (node *string) {
	f := c.Flags()
	f.StringVar((*string)(&o.Host), "root", "/", "where the node's root file system is")
	f.StringVar(&o.KubeletUnit, "kubelet-unit", "kubelet.service", "the kubelet's systemd unit")
	f.BoolVar(&o.NoRestart, "no-restart", false, "start, stop and restart nothing")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and do nothing")
	f.DurationVar(&o.Timeout, "timeout", 2*time.Minute, "how long a daemon may take to answer, and the kubelet to be well")
	return f.String("label-node", "", "in a pod: the node's name, which is labelled "+install.NodeLabel+" while Wazelet is installed")
}

// newInstall makes `wazelet install`.
func newInstall(config *string) *cobra.Command {
	var o install.Options
	c := &cobra.Command{
		Use: "install", Short: "Put Wazelet between this node's kubelet and its runtime", Args: cobra.NoArgs,
		Long: "Install Wazelet on a node that runs: programs, configuration and unit are written,\nthe kubelet is told and started again. Containers keep running, and the runtime's\nconfiguration is not touched. On a node that has Wazelet it is renewed; pods go on.\nWhen something fails, the node is as before.",
	}
	node := installFlags(c, &o)
	f := c.Flags()
	f.StringVar(&o.Endpoint, "endpoint", "", "socket of the runtime that goes on running containers (default: the one the kubelet uses)")
	f.StringVar(&o.BinDir, "bin-dir", "", "directory for the programs (default: the first of "+install.BinDirs[0]+" and "+install.BinDirs[1]+" that can be used)")
	f.StringVar(&o.ConfigFrom, "config-from", "", "configuration to start from, which is completed for this node")
	f.StringVar(&o.KubeletConfigDir, "kubelet-config-dir", "", "the kubelet's --config-dir, where it cannot be read off its command line")
	f.BoolVar(&o.NoKubelet, "no-kubelet", false, "leave it to others to tell the kubelet of Wazelet's socket")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return onNode(c, &o, *config, func(ctx context.Context) error {
			if err := install.Install(ctx, o); err != nil || *node == "" || o.DryRun {
				return err
			}
			return label(ctx, *node, true)
		})
	}
	return c
}

// newUninstall makes `wazelet uninstall`.
func newUninstall(config *string) *cobra.Command {
	var o install.Options
	c := &cobra.Command{
		Use: "uninstall", Short: "Give this node's kubelet its runtime back", Args: cobra.NoArgs,
		Long: "Take Wazelet out: the kubelet talks to the runtime from before again, whose\ncontainers keep running, and what was installed is removed. Pods that only\nWazelet can run must be gone; --force stops and removes them.",
	}
	node := installFlags(c, &o)
	f := c.Flags()
	f.BoolVar(&o.Force, "force", false, "stop and remove the pods that only Wazelet can run")
	fleet := f.String("fleet", "", "in a pod: have the installer DaemonSet NAMESPACE/NAME do this on each of its nodes, and wait for it")
	patience := f.Duration("fleet-timeout", 10*time.Minute, "how long --fleet may take on all nodes together")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return onNode(c, &o, *config, func(ctx context.Context) error {
			if *fleet != "" {
				ctx, cancel := context.WithTimeout(ctx, *patience)
				defer cancel()
				return uninstallFleet(ctx, *fleet, o)
			}
			if *node != "" && !o.DryRun { // no new pods from here on
				if err := label(ctx, *node, false); err != nil {
					return err
				}
			}
			return install.Uninstall(ctx, o)
		})
	}
	return c
}

// onNode completes the options and runs an act on the node, which a signal ends in
// order.
func onNode(c *cobra.Command, o *install.Options, config string, act func(context.Context) error) error {
	if unix.Geteuid() != 0 {
		return errors.New("this changes the node: run it as root")
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	o.Config, o.Program, o.Release, o.Out = config, program, version.String(), c.OutOrStdout()
	ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	return act(ctx)
}

func label(ctx context.Context, node string, installed bool) error {
	cluster, err := install.InCluster()
	if err != nil {
		return err
	}
	return cluster.Label(ctx, node, installed)
}

// uninstallFleet has the pods of an installer's DaemonSet uninstall.
func uninstallFleet(ctx context.Context, daemonSet string, o install.Options) error {
	cluster, err := install.InCluster()
	if err != nil {
		return err
	}
	args := []string{"uninstall", "--root", string(o.Host), "--label-node", "$(NODE_NAME)", "--kubelet-unit", o.KubeletUnit, "--timeout", o.Timeout.String()}
	if o.Force {
		args = append(args, "--force")
	}
	return cluster.RunOnFleet(ctx, daemonSet, args, func(progress string) { fmt.Fprintln(o.Out, progress) })
}

// newWait makes `wazelet wait`, which is what an installer's pod does once its node is
// done: there is no other program in its image.
func newWait() *cobra.Command {
	return &cobra.Command{
		Use: "wait", Short: "Do nothing until told to end", Args: cobra.NoArgs, Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()
			<-ctx.Done()
			return nil
		},
	}
}
