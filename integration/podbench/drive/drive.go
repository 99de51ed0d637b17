// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// driver does the measurements of one run.
type driver struct {
	plan    *Plan
	clients []*client
	out     *result.File
	log     io.Writer
	port    atomic.Int32
}

// Run measures what the plan says. Progress goes to log. What was measured before
// an error is returned with it.
func Run(ctx context.Context, plan *Plan, log io.Writer) (_ *result.File, err error) {
	d := &driver{plan: plan, out: &result.File{Version: result.Version, Time: time.Now().UTC()}, log: log}
	d.port.Store(20000)
	defer func() { err = errors.Join(err, d.clean(context.WithoutCancel(ctx))) }()
	for _, side := range plan.Sides {
		c, err := connect(side)
		if err != nil {
			return d.out, err
		}
		d.clients = append(d.clients, c)
		version, err := c.runtime.Version(ctx, &runtimeapi.VersionRequest{})
		if err != nil {
			return d.out, fmt.Errorf("%s: %w", side.Name, err)
		}
		title := version.RuntimeName + " " + version.RuntimeVersion
		if side.Version != "" {
			title = side.Version
		}
		d.out.Sides = append(d.out.Sides, result.Side{Name: side.Name, Version: title})
	}
	for _, m := range d.measurements() {
		if !plan.wants(m.name) {
			continue
		}
		if err := d.pull(ctx, m.workload); err != nil {
			return d.out, err
		}
		load := result.LoadAverage()
		d.out.Machine.Load = append(d.out.Machine.Load, load)
		d.say("%s (load %.1f)", m.name, load)
		if err := m.do(ctx, m.name); err != nil {
			return d.out, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return d.out, nil
}

// measurement is one thing to measure.
type measurement struct {
	name, workload string
	do             func(ctx context.Context, name string) error
}

func (d *driver) measurements() []measurement {
	p := d.plan
	small, large := request{workload: "small"}, request{workload: "large"}
	golang, job := request{workload: "go"}, request{workload: "job"}
	bridge := request{workload: "small", bridge: true}
	return []measurement{
		{"start/small/host", "small", d.starts(small, p.Starts)},
		{"start/small/bridge", "small", d.starts(bridge, p.Starts)},
		{"start/small/ipv4", "small", d.on(ipv4, d.starts(bridge, p.Starts))},
		{"start/small/flannel", "small", d.on(flannel, d.starts(bridge, p.Starts))},
		{"start/go/host", "go", d.starts(golang, p.Starts)},
		{"start/large/host", "large", d.starts(large, p.SlowStarts)},
		{"start/job/host", "job", d.starts(job, p.Starts)},
		{"clients/small/host", "small", d.batches(small)},
		{"clients/small/bridge", "small", d.batches(bridge)},
		{"memory/small", "small", d.memory(small, p.Pods)},
		{"memory/go", "go", d.memory(golang, p.Pods)},
		{"memory/large", "large", d.memory(large, max(1, p.Pods/5))},
		{"rpc", "small", d.rpc},
		{"http/go", "go", d.load},
	}
}

// pull makes sure that each side has the workload's image, and has compiled it.
func (d *driver) pull(ctx context.Context, workload string) error {
	for _, c := range d.clients {
		image := &runtimeapi.ImageSpec{Image: c.Images[workload]}
		if _, err := c.images.PullImage(ctx, &runtimeapi.PullImageRequest{Image: image}); err != nil {
			return fmt.Errorf("%s: pull %s: %w", c.Name, image.Image, err)
		}
	}
	return nil
}

func (d *driver) say(format string, args ...any) { fmt.Fprintf(d.log, "bench: "+format+"\n", args...) }

// serving is the request with a port that no pod has had for a while.
func (d *driver) serving(r request) request {
	if r.workload != "job" {
		r.port = 20000 + int(d.port.Add(1)-20000)%20000
	}
	return r
}

// clean removes whatever pods are left.
func (d *driver) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var errs []error
	for _, c := range d.clients {
		pods, err := c.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, item := range pods.Items {
			if item.Metadata.Namespace == "bench" {
				errs = append(errs, (&pod{client: c, sandbox: item.Id}).remove(ctx))
			}
		}
		errs = append(errs, c.conn.Close())
	}
	return errors.Join(errs...)
}

func milliseconds(t time.Duration) float64 { return float64(t.Nanoseconds()) / 1e6 }
