// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"slices"
	"time"

	"github.com/wazelet/wazelet/integration/podbench/process"
)

// settle is how long pods are left alone before they are looked at.
const settle = 20 * time.Second

// rest measures pods that are Ready and do nothing: their memory, and what the kubelet
// goes on asking, and what that costs.
func (b *bench) rest(ctx context.Context, name string, count int, empty process.Memory) error {
	if err := wait(ctx, settle); err != nil {
		return err
	}
	full, err := b.memory()
	if err != nil {
		return err
	}
	b.add(name, "PSS", "MB", full.PSS/float64(count))
	b.add(name, "daemon growth", "kB", (full.Daemon-empty.Daemon)*1000/float64(count))
	b.add(name, "daemon", "MB", full.Daemon)
	b.add(name, "MemAvailable", "MB", (empty.Available-full.Available)/float64(count))
	before, err := b.calls(ctx)
	if err != nil {
		return err
	}
	used, err := b.account()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := wait(ctx, b.plan.Idle); err != nil {
		return err
	}
	now, err := b.account()
	took := time.Since(began).Seconds()
	if err != nil {
		return err
	}
	after, err := b.calls(ctx)
	if err != nil {
		return err
	}
	for who, time := range now.since(used) {
		b.add(name, "idle: "+who, "% of a core", 100*time.Seconds()/took)
	}
	for call, count := range after {
		if count > before[call] {
			b.add(name, "calls: "+call, "1/s", (count-before[call])/took)
		}
	}
	return nil
}

func (b *bench) memory() (process.Memory, error) { return b.now.side.Pods.Look(b.now.side.PID) }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// middle is the median of times, the later one of two.
func middle(times []time.Time) time.Time {
	slices.SortFunc(times, time.Time.Compare)
	return times[len(times)/2]
}
