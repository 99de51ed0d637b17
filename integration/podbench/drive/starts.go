// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// podTimeout bounds one pod's start and one pod's end.
const podTimeout = time.Minute

// accountEvery is after how many starts of each side one is made whose steps are asked
// for instead of its times: the daemon's answer is work, and leaves work for its collector
// of garbage.
const accountEvery = 4

// starts measures pods that are started and removed one after the other, the
// sides in turn.
func (d *driver) starts(r request, count int) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		for round := range count + count/accountEvery + 1 {
			for i := range d.clients {
				c := d.clients[(i+round)%len(d.clients)]
				if err := d.start(ctx, name, c, r, round); err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
			}
		}
		return nil
	}
}

// start measures one of them. In the first round caches fill.
func (d *driver) start(ctx context.Context, name string, c *client, r request, round int) error {
	accounted := round > 0 && round%(accountEvery+1) == 0
	var before map[string]float64
	var err error
	if accounted {
		if before, err = c.steps(ctx); err != nil {
			return err
		}
	}
	t, whole, removed, err := once(ctx, c, d.serving(r))
	switch {
	case err != nil || round == 0:
		return err
	case accounted:
		return d.account(ctx, name, c, before)
	}
	d.out.Add(name, c.Name, "", "ms", milliseconds(whole))
	for phase, took := range t {
		d.out.Add(name, c.Name, phase, "ms", milliseconds(took))
	}
	d.out.Add("stop+remove"+name[len("start"):], c.Name, "", "ms", milliseconds(removed))
	return nil
}

// once starts a pod, waits until it has answered or ended, and removes it.
func once(ctx context.Context, c *client, r request) (t times, whole, removed time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*podTimeout)
	defer cancel()
	t = times{}
	began := time.Now()
	p, err := c.run(ctx, r, t)
	if err == nil {
		err = p.await(ctx, t)
	}
	whole = time.Since(began)
	if p != nil {
		began = time.Now()
		err = errors.Join(err, p.remove(context.WithoutCancel(ctx)))
		removed = time.Since(began)
	}
	return t, whole, removed, err
}

// await waits for the pod's first answer, or for its end if it serves nothing.
func (p *pod) await(ctx context.Context, t times) error {
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	start := time.Now()
	if p.request.port != 0 {
		err := firstAnswer(ctx, p.address)
		t.take(phaseAnswer, start)
		return err
	}
	for {
		status, err := p.client.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: p.container})
		if err != nil {
			return err
		}
		if status.Status.State == runtimeapi.ContainerState_CONTAINER_EXITED {
			t.take(phaseExit, start)
			if status.Status.ExitCode != 0 {
				return fmt.Errorf("the job ended with %d: %s", status.Status.ExitCode, status.Status.Message)
			}
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// clientsAtOnce is how many clients start pods together.
const clientsAtOnce = 4

// batches measures pods that several clients start together, and then remove.
func (d *driver) batches(r request) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		for round := range d.plan.Batches {
			for i := range d.clients {
				c := d.clients[(i+round)%len(d.clients)]
				if err := d.batch(ctx, name, c, r); err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
			}
		}
		return nil
	}
}

func (d *driver) batch(ctx context.Context, name string, c *client, r request) error {
	began := time.Now()
	pods, took, err := d.many(ctx, c, r, d.plan.Batch)
	all := time.Since(began)
	if err == nil {
		d.out.Add(name, c.Name, "starts/s", "1/s", float64(len(pods))/all.Seconds())
		for _, one := range took {
			d.out.Add(name, c.Name, "", "ms", milliseconds(one))
		}
	}
	began = time.Now()
	if err := errors.Join(err, removeAll(context.WithoutCancel(ctx), pods)); err != nil {
		return err
	}
	d.out.Add(name, c.Name, "removals/s", "1/s", float64(len(pods))/time.Since(began).Seconds())
	return nil
}

// many starts so many pods by several clients and waits until each has answered.
// The pods are returned with an error too.
func (d *driver) many(ctx context.Context, c *client, r request, count int) (pods []*pod, took []time.Duration, err error) {
	var mu sync.Mutex
	work := make(chan struct{}, count)
	for range count {
		work <- struct{}{}
	}
	close(work)
	var all sync.WaitGroup
	for range clientsAtOnce {
		all.Go(func() {
			for range work {
				began := time.Now()
				p, failed := c.run(ctx, d.serving(r), times{})
				if failed == nil {
					failed = p.await(ctx, times{})
				}
				one := time.Since(began)
				mu.Lock()
				if p != nil {
					pods = append(pods, p)
				}
				took, err = append(took, one), errors.Join(err, failed)
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return pods, took, err
}

func removeAll(ctx context.Context, pods []*pod) error {
	work := make(chan *pod, len(pods))
	for _, p := range pods {
		work <- p
	}
	close(work)
	errs := make([]error, clientsAtOnce)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for p := range work {
				errs[i] = errors.Join(errs[i], p.remove(ctx))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
