// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"time"

	"github.com/wazelet/wazelet/integration/podbench/process"
)

// ramp measures pods that are made all at once: when they are Ready, what takes the
// time and the processors, and, with idle, what they hold and use while nothing happens.
func (b *bench) ramp(ctx context.Context, name string, count int, idle bool) (err error) {
	names := make([]string, count)
	for i := range names {
		names[i] = newName()
	}
	var empty process.Memory
	if idle {
		if empty, err = b.memory(); err != nil {
			return err
		}
	}
	if err := b.rise(ctx, name, names); err != nil {
		return err
	}
	if idle {
		if err := b.rest(ctx, name, count, empty); err != nil {
			return err
		}
	}
	deleted := time.Now()
	if err := b.end(ctx, names); err != nil {
		return err
	}
	b.add(name, "all gone", "s", time.Since(deleted).Seconds())
	return nil
}

// rise starts the pods.
func (b *bench) rise(ctx context.Context, name string, names []string) error {
	before, err := b.operations(ctx)
	if err != nil {
		return err
	}
	used, err := b.account()
	if err != nil {
		return err
	}
	began := time.Now()
	lives, err := b.start(ctx, names)
	took := time.Since(began)
	if err != nil {
		return err
	}
	now, err := b.account()
	if err != nil {
		return err
	}
	after, err := b.operations(ctx)
	if err != nil {
		return err
	}
	b.addUse(name, now.since(used), took, len(names))
	b.addOperations(name, after.since(before), took, len(names))
	started, err := b.started(ctx, names)
	if err != nil {
		return err
	}
	if curves := b.out.Find(name, b.now.side.Name, "Ready"); curves == nil { // of one round
		for i, l := range lives {
			b.add(name, "accepted", "s", seconds(l.accepted.Sub(began)))
			b.add(name, "scheduled", "s", seconds(l.scheduled.Sub(began)))
			b.add(name, "started", "s", seconds(started[names[i]].Sub(began)))
			b.add(name, "Ready", "s", seconds(l.ready.Sub(began)))
		}
	}
	b.add(name, "half Ready", "s", seconds(medianReady(lives).Sub(began)))
	b.add(name, "all Ready", "s", seconds(took))
	b.add(name, "pods/s", "1/s", float64(len(names))/took.Seconds())
	return nil
}

// addUse notes who has used the processors, per pod, and how much of them was used.
func (b *bench) addUse(name string, used account, took time.Duration, count int) {
	for who, time := range used {
		b.add(name, "processor: "+who, "ms", milliseconds(time)/float64(count))
	}
	b.add(name, "processors busy", "% of a core", 100*used.sum().Seconds()/took.Seconds())
}

// addOperations notes how long the calls took, and how many pods were in one at a time.
func (b *bench) addOperations(name string, o operations, took time.Duration, count int) {
	inside := 0.0
	for _, call := range startCalls {
		done := o.calls[call.kubelet]
		inside += done.sum
		b.add(name, call.cri, "ms", 1e3*done.sum/max(1, done.count))
	}
	b.add(name, "pods in a call", "", inside/took.Seconds())
	b.add(name, "runtime per pod", "ms", 1e3*inside/float64(count))
	b.add(name, "kubelet's worker per pod", "ms", 1e3*o.syncs.sum/float64(count))
}

func medianReady(lives []life) time.Time {
	times := make([]time.Time, len(lives))
	for i, l := range lives {
		times[i] = l.ready
	}
	return middle(times)
}

// seconds are rounded to milliseconds, which is what they mean.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1e3 }
