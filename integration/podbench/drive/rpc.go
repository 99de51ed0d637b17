// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/podbench/process"
)

// rpc measures the calls that a kubelet makes all the time, with many pods, on the
// first side; and the processor time that the daemon uses for a kubelet's polling.
func (d *driver) rpc(ctx context.Context, name string) (err error) {
	c := d.clients[0]
	pods, _, err := d.many(ctx, c, request{workload: "small"}, d.plan.Listed)
	defer func() { err = errors.Join(err, removeAll(context.WithoutCancel(ctx), pods)) }()
	if err != nil {
		return err
	}
	if err := rested(ctx, c); err != nil {
		return err
	}
	for round := range rpcRounds {
		for _, call := range calls(c, pods[round%len(pods)]) {
			began := time.Now()
			if err := call.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", call.name, err)
			}
			d.out.Add(name, c.Name, call.name, "ms", milliseconds(time.Since(began)))
		}
	}
	used, err := polled(ctx, c)
	if err != nil {
		return err
	}
	d.out.Add(name, c.Name, "polling", "% of a core", used)
	return nil
}

const rpcRounds = 200

type call struct {
	name string
	do   func(context.Context) error
}

func calls(c *client, p *pod) []call {
	return []call{
		{"ListPodSandbox", func(ctx context.Context) error {
			_, err := c.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
			return err
		}},
		{"ListContainers", func(ctx context.Context) error {
			_, err := c.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
			return err
		}},
		{"PodSandboxStatus", func(ctx context.Context) error {
			_, err := c.runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: p.sandbox})
			return err
		}},
		{"ContainerStatus", func(ctx context.Context) error {
			_, err := c.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: p.container})
			return err
		}},
		{"ListImages", func(ctx context.Context) error {
			_, err := c.images.ListImages(ctx, &runtimeapi.ListImagesRequest{})
			return err
		}},
	}
}

// rested waits until the daemon has done what it does behind its pods' starts, such as
// writing their records, and is no part of calls: until it uses next to nothing, or a minute
// is over.
func rested(ctx context.Context, c *client) error {
	const pause, least = 2 * time.Second, 10 * time.Millisecond
	before, _, err := process.Time(c.PID)
	for range int(time.Minute / pause) {
		if err == nil {
			err = wait(ctx, pause)
		}
		if err != nil {
			return err
		}
		var after time.Duration
		if after, _, err = process.Time(c.PID); after-before <= least {
			return err
		}
		before = after
	}
	return err
}

// polling is how long the daemon's processor time is looked at.
const polling = 20 * time.Second

// polled answers the processor time that the daemon uses, in percent of a core,
// while it is asked what a kubelet without events asks: for the lists each second,
// for the containers' statistics each ten seconds.
func polled(ctx context.Context, c *client) (float64, error) {
	before, _, err := process.Time(c.PID)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for second := 0; time.Since(began) < polling; second++ {
		lists := calls(c, nil)[:2]
		if second%10 == 9 {
			lists = append(lists, call{"ListContainerStats", func(ctx context.Context) error {
				_, err := c.runtime.ListContainerStats(ctx, &runtimeapi.ListContainerStatsRequest{})
				return err
			}})
		}
		for _, call := range lists {
			if err := call.do(ctx); err != nil {
				return 0, fmt.Errorf("%s: %w", call.name, err)
			}
		}
		if err := wait(ctx, time.Until(began.Add(time.Duration(second+1)*time.Second))); err != nil {
			return 0, err
		}
	}
	after, _, err := process.Time(c.PID)
	return (after - before).Seconds() / time.Since(began).Seconds() * 100, err
}
