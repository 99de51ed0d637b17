// SPDX-License-Identifier: Apache-2.0

// Package kube measures pods as a cluster's users have them: made at the API server,
// scheduled, and started by a real kubelet, which speaks to one side after the other.
// It says how much of the time is the runtime's.
package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/podbench/process"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// Plan says how much is measured.
type Plan struct {
	// Only are the prefixes of the measurements to do; none means all.
	Only []string
	// Pods is how many pods are made one after the other, on each side.
	Pods int
	// Both is how many pods are made at once on each side, Many how many on the
	// first, and ManyNative on the others; 0 leaves that out.
	Both, Many, ManyNative int
	// Rounds is how often the sides take turns.
	Rounds int
	// Idle is how long pods are watched that do nothing.
	Idle time.Duration
}

// Side is a runtime.
type Side struct {
	Name   string
	Socket string // of its CRI
	// Class is the RuntimeClass of its pods, "" for none.
	Class string
	// Image of the pods.
	Image string
	// PID is its daemon's.
	PID int
	// Metrics is where its daemon serves its own, in the cluster's network.
	Metrics string
	// Pods are the processes of its pods.
	Pods process.Pods

	images  runtimeapi.ImageServiceClient
	runtime runtimeapi.RuntimeServiceClient
}

// bench does the measurements of one run.
type bench struct {
	cluster *lab.Cluster
	plan    *Plan
	sides   []*Side
	out     *result.File
	log     io.Writer
	api     *api
	pods    *tracker
	now     setting
}

// Run measures what the plan says, in a cluster that is up. Progress goes to log. What
// was measured before an error is returned with it.
func Run(ctx context.Context, cluster *lab.Cluster, sides []*Side, plan *Plan, log io.Writer) (_ *result.File, err error) {
	b := &bench{
		cluster: cluster, plan: plan, sides: sides, log: log,
		out: &result.File{Version: result.Version, Time: time.Now().UTC()},
	}
	for _, side := range sides {
		conn, err := grpc.NewClient("unix://"+side.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return b.out, err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		if err := b.meet(ctx, side, conn); err != nil {
			return b.out, fmt.Errorf("%s: %w", side.Name, err)
		}
	}
	if b.api, err = connect(cluster); err != nil {
		return b.out, err
	}
	defer b.api.client.CloseIdleConnections()
	if err := b.prepare(ctx); err != nil {
		return b.out, err
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx)) // for clean, too
	defer cancel()
	if b.pods, err = track(watching, b.api); err != nil {
		return b.out, err
	}
	defer func() { err = errors.Join(err, b.clean(context.WithoutCancel(ctx))) }()
	return b.out, b.measure(ctx)
}

// meet asks a side what it is, and has it fetch the image.
func (b *bench) meet(ctx context.Context, side *Side, conn *grpc.ClientConn) error {
	side.runtime, side.images = runtimeapi.NewRuntimeServiceClient(conn), runtimeapi.NewImageServiceClient(conn)
	version, err := side.runtime.Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		return err
	}
	b.out.Sides = append(b.out.Sides, result.Side{Name: side.Name, Version: version.RuntimeName + " " + version.RuntimeVersion})
	_, err = side.images.PullImage(ctx, &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: side.Image}})
	return err
}

// prepare makes the namespace of the pods, and waits for what each pod of it needs.
func (b *bench) prepare(ctx context.Context) error {
	manifest := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"
	for _, side := range b.sides {
		if side.Class != "" {
			manifest += fmt.Sprintf("---\napiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: %[1]s}\nhandler: %[1]s\n", side.Class)
		}
	}
	if err := b.cluster.Apply(ctx, manifest); err != nil {
		return err
	}
	return b.cluster.WaitCreated(ctx, namespace, "serviceaccount/default", "configmap/kube-root-ca.crt")
}

// measure does what is wanted, in turns.
func (b *bench) measure(ctx context.Context) error {
	for round := range b.plan.Rounds {
		for i := range b.sides {
			side := b.sides[(i+round)%len(b.sides)]
			count := (b.plan.Pods + b.plan.Rounds - 1) / b.plan.Rounds
			if err := b.begin(ctx, podName, setting{side: side}, func(ctx context.Context) error { return b.oneByOne(ctx, count) }); err != nil {
				return err
			}
			if err := b.crowd(ctx, setting{side: side}, b.plan.Both, round == 0); err != nil {
				return err
			}
		}
	}
	for i, side := range b.sides {
		many := b.plan.ManyNative
		if i == 0 {
			many = b.plan.Many
		}
		for _, quick := range []bool{false, true} {
			if err := b.crowd(ctx, setting{side, quick}, many, !quick); err != nil {
				return err
			}
		}
	}
	return nil
}

// crowd measures so many pods at once.
func (b *bench) crowd(ctx context.Context, s setting, count int, idle bool) error {
	if count == 0 {
		return nil
	}
	name := fmt.Sprintf("%s/%d", rampName, count)
	if s.quick {
		name += "/quick"
	}
	return b.begin(ctx, name, s, func(ctx context.Context) error { return b.ramp(ctx, name, count, idle) })
}

// begin does one measurement, if it is wanted.
func (b *bench) begin(ctx context.Context, name string, s setting, do func(context.Context) error) error {
	if len(b.plan.Only) > 0 {
		wanted := false
		for _, only := range b.plan.Only {
			wanted = wanted || strings.HasPrefix(name, only)
		}
		if !wanted {
			return nil
		}
	}
	if err := b.use(ctx, s); err != nil {
		return fmt.Errorf("%s: %w", s.side.Name, err)
	}
	load := result.LoadAverage()
	b.out.Machine.Load = append(b.out.Machine.Load, load)
	fmt.Fprintf(b.log, "bench: %s, %s (load %.1f)\n", name, s.side.Name, load)
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s: %s: %w", s.side.Name, name, err)
	}
	return nil
}

// Names of the measurements.
const (
	podName  = "kubelet/pod"
	rampName = "kubelet/ramp"
)

func (b *bench) add(name, phase, unit string, values ...float64) {
	b.out.Add(name, b.now.side.Name, phase, unit, values...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
