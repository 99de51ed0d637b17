// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
)

// Step is one of the steps that a pod or an image comes into being by, and a pod ends
// by. Each is a span and a value of the label step.
type Step string

// The steps, in their order.
const (
	StepNetNS   Step = "netns"   // RunPodSandbox: the network namespace
	StepTurn    Step = "turn"    // … until few enough CNI plugins run; StopPodSandbox waits too
	StepCNI     Step = "cni"     // … the plugins' ADD
	StepFiles   Step = "files"   // … hosts, hostname, resolv.conf
	StepResolve Step = "resolve" // PullImage: the reference, at the registry
	StepFetch   Step = "fetch"   // … manifests, blobs and unpacking
	StepPrepare Step = "prepare" // … the compile of the image's module
	StepRoot    Step = "root"    // CreateContainer: the root's snapshot
	StepCgroup  Step = "cgroup"  // … the cgroup with its limits
	StepSpawn   Step = "spawn"   // … the worker's process, into its cgroup
	StepConfine Step = "confine" // … mounts and privileges, up to the program that it asks code for
	StepModule  Step = "module"  // … the compiled code, from the cache or the compiler
	StepLoad    Step = "load"    // … loading it
	StepGate    Step = "gate"    // StartContainer: the worker's answer
	StepDetach  Step = "detach"  // StopPodSandbox: the plugins' DEL
)

// scope names who makes the spans.
const scope = "github.com/wazelet/wazelet"

// Begin begins a step. What is done within it belongs to the context it returns;
// the function ends it, with the error it failed with.
func Begin(ctx context.Context, step Step) (context.Context, func(error)) {
	started := time.Now()
	// Asked for each time: the provider is set when the daemon starts. Without
	// one a span is nothing.
	ctx, span := otel.Tracer(scope).Start(ctx, string(step))
	return ctx, func(err error) {
		stepDuration.WithLabelValues(string(step), result(err)).Observe(time.Since(started).Seconds())
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// Do is Begin around a function.
func Do(ctx context.Context, step Step, f func(context.Context) error) error {
	ctx, end := Begin(ctx, step)
	err := f(ctx)
	end(err)
	return err
}
