// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"sync"

	"github.com/containerd/log"
)

// collector removes garbage in the background, for callers that need not wait for it. Requests that come while it works
// are served together.
type collector struct {
	collect  func(context.Context) error
	requests chan struct{}
	stop     chan struct{}
	wg       sync.WaitGroup
}

func newCollector(collect func(context.Context) error) *collector {
	c := &collector{collect: collect, requests: make(chan struct{}, 1), stop: make(chan struct{})}
	c.wg.Go(c.serve)
	return c
}

func (c *collector) serve() {
	for {
		select {
		case <-c.requests:
			c.run()
		case <-c.stop:
			select {
			case <-c.requests:
				c.run()
			default:
			}
			return
		}
	}
}

func (c *collector) run() {
	ctx := context.Background()
	if err := c.collect(ctx); err != nil {
		log.G(ctx).WithError(err).Warn("image store")
	}
}

// request asks for a collection that begins after this call.
func (c *collector) request() {
	select {
	case c.requests <- struct{}{}:
	default: // one is waiting to begin
	}
}

// close serves the last request and stops.
func (c *collector) close() {
	close(c.stop)
	c.wg.Wait()
}
