// SPDX-License-Identifier: Apache-2.0

// Command parts builds the programs of the laboratory and prints where they are.
//
//	go run ./integration/lab/cmd/parts             everything a laboratory needs, the guests in C and Rust, modules from npm, a machine
//	go run ./integration/lab/cmd/parts etcd crictl only these; containerd, containerd-shim-runc-v2,
//	                                               ctr, runc, pause, kube-proxy, coredns and helm are
//	                                               built only when named
//	go run ./integration/lab/cmd/parts -lint       the linter runner
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "parts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("parts", flag.ContinueOnError)
	lint := flags.Bool("lint", false, "build the linter runner instead of the laboratory's parts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	all := parts.Lint()
	if !*lint {
		all = parts.Laboratory()
		if flags.NArg() > 0 {
			all = slices.Concat(all, parts.Containerd(), parts.Services(), parts.Helm())
		}
		// What the parts themselves run, such as iptables.
		if err := lab.Install(ctx, out); err != nil {
			return err
		}
	}
	chosen, err := parts.Select(all, flags.Args()...)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(chosen, parts.Part.InC) {
		if err := lab.InstallCompiler(ctx, out); err != nil {
			return err
		}
	}
	b := parts.NewBuilder(repo, out)
	if err := b.Build(ctx, chosen...); err != nil {
		return err
	}
	if !*lint && flags.NArg() == 0 {
		if err := lab.PrepareServers(ctx, out); err != nil {
			return err
		}
		if _, err := lab.PrepareModule(ctx, out, parts.Yosys); err != nil {
			return err
		}
		if _, err := b.Unpack(ctx, parts.Machine()); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, b.Bin)
	return nil
}
