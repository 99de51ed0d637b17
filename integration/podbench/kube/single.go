// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"time"
)

// oneByOne measures pods that nobody else competes with.
func (b *bench) oneByOne(ctx context.Context, count int) error {
	for range count {
		if err := b.one(ctx); err != nil {
			return err
		}
	}
	return nil
}

// one measures a pod's start and its end, and which part of each is the runtime's.
func (b *bench) one(ctx context.Context) error {
	names := []string{newName()}
	before, err := b.operations(ctx)
	if err != nil {
		return err
	}
	sent := time.Now()
	lives, err := b.start(ctx, names)
	if err != nil {
		return err
	}
	running, err := b.operations(ctx)
	if err != nil {
		return err
	}
	started, err := b.started(ctx, names)
	if err != nil {
		return err
	}
	if err := b.addStart(lives[0], sent, started[names[0]], running.since(before)); err != nil {
		return err
	}
	if before, err = b.operations(ctx); err != nil {
		return err
	}
	deleted := time.Now()
	if err := b.end(ctx, names); err != nil {
		return err
	}
	b.add("kubelet/delete", "", "ms", milliseconds(time.Since(deleted)))
	after, err := b.operations(ctx)
	if err != nil {
		return err
	}
	inside := 0.0
	for _, call := range endCalls {
		inside += after.since(before).calls[call.kubelet].sum
	}
	b.add("kubelet/delete", "runtime", "ms", inside*1e3)
	return nil
}

// addStart divides the time from the request to Ready: until the pod has a node; in the
// runtime; from the container's start until all know of it; and what is left, which
// is the kubelet's before the calls and between them.
func (b *bench) addStart(l life, sent, started time.Time, o operations) error {
	inside := 0.0
	for _, call := range startCalls {
		took := o.calls[call.kubelet]
		if took.count != 1 {
			return fmt.Errorf("the kubelet has made %.0f calls of %s for one pod", took.count, call.cri)
		}
		inside += took.sum * 1e3
		b.add(podName, call.cri, "ms", took.sum*1e3)
	}
	whole, scheduled, told := milliseconds(l.ready.Sub(sent)), milliseconds(l.scheduled.Sub(sent)), milliseconds(l.ready.Sub(started))
	b.add(podName, "", "ms", whole)
	b.add(podName, "scheduled", "ms", scheduled)
	b.add(podName, "runtime", "ms", inside)
	b.add(podName, "kubelet before", "ms", whole-scheduled-inside-told)
	b.add(podName, "kubelet after", "ms", told)
	return nil
}
