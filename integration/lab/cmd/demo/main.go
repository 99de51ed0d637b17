// SPDX-License-Identifier: Apache-2.0

// Command demo brings up a one-node Kubernetes cluster whose only runtime is
// Wazelet, applies the examples and shows what became of them. It goes on until
// Ctrl-C, or with -ci checks every output and ends. Then everything is taken down.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	ci := flags.Bool("ci", false, "check each output, end, and tell by the exit code")
	if err := flags.Parse(args); err != nil {
		return err
	}
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	if err := lab.Prepare(ctx, out); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("/tmp", "wazelet-demo-")
	if err != nil {
		return err
	}
	cluster, err := lab.New(lab.Options{Dir: dir, Log: out})
	if err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	d := demo{cluster: cluster, out: out, examples: filepath.Join(repo, "examples")}
	err = d.run(ctx, *ci)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // Ctrl-C is how a demo ends
	}
	if err != nil {
		d.tails()
	}
	return errors.Join(err, d.down(err == nil))
}

// down takes all down. The scratch folder with the logs stays when something went
// wrong.
func (d *demo) down(tidy bool) error {
	fmt.Fprintln(d.out, "\nTaking it down ...")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := d.cluster.Down(ctx); err != nil {
		return fmt.Errorf("take down: %w", err)
	}
	if !tidy {
		fmt.Fprintln(d.out, "The logs are kept in", filepath.Join(d.cluster.Dir(), "log"))
		return nil
	}
	return d.cluster.RemoveScratch()
}

// tails shows the ends of the logs that usually tell why, the likeliest last.
func (d *demo) tails() {
	for _, name := range []string{"etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kubelet", "wazelet"} {
		fmt.Fprintf(d.out, "\n--- %s\n", name)
		for line := range strings.Lines(lab.Tail(d.cluster.LogFile(name), 15)) {
			line = strings.TrimRight(line, "\n")
			fmt.Fprintln(d.out, line[:min(len(line), 300)])
		}
	}
}
