// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// connections are those of a client that asks all the time.
const connections = 32

// The server has a processor of its own, and the client another.
const serverCPU, clientCPU = 0, 1

// load measures how many requests a second a server in Go answers.
func (d *driver) load(ctx context.Context, name string) (err error) {
	restore, err := pinTo(clientCPU)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	var pods []*pod
	defer func() { err = errors.Join(err, removeAll(context.WithoutCancel(ctx), pods)) }()
	for _, c := range d.clients {
		p, err := c.run(ctx, d.serving(request{workload: "go", cpus: fmt.Sprint(serverCPU)}), times{})
		if p != nil {
			pods = append(pods, p)
		}
		if err == nil {
			err = p.await(ctx, times{})
		}
		if err == nil { // warms up
			_, err = requests(ctx, p.address, connections, time.Second)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	for round := range d.plan.Rounds {
		for i := range pods {
			p := pods[(i+round)%len(pods)]
			rate, err := requests(ctx, p.address, connections, d.plan.Load)
			if err != nil {
				return fmt.Errorf("%s: %w", p.client.Name, err)
			}
			d.out.Add(name, p.client.Name, "", "1/s", rate)
		}
	}
	return nil
}

// pinTo keeps every thread of this process on one processor until restore.
func pinTo(cpu int) (restore func() error, err error) {
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, err
	}
	only.Set(cpu)
	return func() error { return affinity(&before) }, affinity(&only)
}
