// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

type demo struct {
	cluster  *lab.Cluster
	out      io.Writer
	examples string
}

func (d *demo) run(ctx context.Context, ci bool) error {
	start := time.Now()
	up, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := d.cluster.Up(up); err != nil {
		return err
	}
	if err := d.cluster.PushGuests(up); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\n$ kubectl apply -f examples/runtimeclass.yaml -f examples/\n")
	// The class first: a pod that names an unknown one is refused.
	applied, err := d.cluster.Kubectl(up, "apply", "-f", filepath.Join(d.examples, "runtimeclass.yaml"), "-f", d.examples)
	fmt.Fprint(d.out, applied.Stdout)
	if err != nil {
		return err
	}
	if _, err := d.cluster.Kubectl(up, "create", "job", "report-now", "--from=cronjob/report"); err != nil {
		return err
	}
	if err := d.check(ctx); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nFrom nothing to all examples: %s.\n", time.Since(start).Round(time.Second/10))
	if ci {
		return nil
	}
	return d.serve(ctx)
}

// serve tells how to go on and waits for Ctrl-C.
func (d *demo) serve(ctx context.Context) error {
	kubeconfig, err := d.cluster.HostKubeconfig(ctx)
	if err != nil {
		return err
	}
	repo := filepath.Dir(d.examples)
	fmt.Fprintf(d.out, `
The cluster is yours until Ctrl-C here. In another terminal:

  export KUBECONFIG=%s PATH=%s:$PATH
  kubectl get pods -o wide
  kubectl logs deploy/ticker -f
  kubectl delete -f %s/examples/deployment.yaml

  crictl --runtime-endpoint unix://%s ps -a

The pods' own addresses are in the demo's network: nsenter --net=%s
The daemons' logs are in %s.
`, kubeconfig, d.cluster.PartsDir(), repo, d.cluster.Socket(), d.cluster.NetNS(), filepath.Join(d.cluster.Dir(), "log"))
	<-ctx.Done()
	return nil
}

// show prints a command of the user's and what it gives.
func (d *demo) show(ctx context.Context, args ...string) (string, error) {
	out, err := d.cluster.Kubectl(ctx, args...)
	fmt.Fprintf(d.out, "\n$ kubectl %s\n%s", strings.Join(args, " "), out.Stdout)
	return out.Stdout, err
}
