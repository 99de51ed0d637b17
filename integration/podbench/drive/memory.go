// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wazelet/wazelet/integration/podbench/process"
)

// settle is how long pods are left alone before their memory is looked at.
const settle = 3 * time.Second

// memory measures what idle pods hold: the proportional set size of their
// processes, how much the daemon has grown, and what the machine has less. The
// sides come one after the other, each with nobody else there.
func (d *driver) memory(r request, count int) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		for _, c := range d.clients {
			if err := d.memoryOf(ctx, name, c, r, count); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		}
		return nil
	}
}

func (d *driver) memoryOf(ctx context.Context, name string, c *client, r request, count int) error {
	// A pod beforehand, so that what the first one makes is not counted.
	if _, _, _, err := once(ctx, c, d.serving(r)); err != nil {
		return err
	}
	before, err := c.pods().Look(c.PID)
	if err != nil {
		return err
	}
	pods, _, err := d.many(ctx, c, r, count)
	if err == nil {
		err = wait(ctx, settle)
	}
	var after process.Memory
	if err == nil {
		after, err = c.pods().Look(c.PID)
	}
	if err = errors.Join(err, removeAll(context.WithoutCancel(ctx), pods)); err != nil {
		return err
	}
	if err := wait(ctx, settle); err != nil {
		return err
	}
	gone, err := c.pods().Look(c.PID)
	n := float64(count)
	d.out.Add(name, c.Name, "PSS", "MB", after.PerPod(count)...)
	d.out.Add(name, c.Name, "PSS of processes", "MB", (after.PSS-before.PSS)/n)
	d.out.Add(name, c.Name, "daemon growth", "kB", (after.Daemon-before.Daemon)*1000/n)
	d.out.Add(name, c.Name, "daemon growth left after removal", "kB", (gone.Daemon-before.Daemon)*1000/n)
	d.out.Add(name, c.Name, "MemAvailable", "MB", (before.Available-after.Available)/n)
	d.out.Add(name, c.Name, "processes", "", float64(len(after.Pods)-len(before.Pods))/n)
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
