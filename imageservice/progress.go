// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"time"

	"github.com/containerd/log"
)

// progressEvery is how often the log tells how far a pull is. Most end before.
const progressEvery = 10 * time.Second

// shown runs the transfer of a pull and tells the log meanwhile what has arrived.
func (s *Service) shown(ctx context.Context, session source, transfer func(context.Context) (*pulled, error)) (*pulled, error) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.showProgress(ctx, session)
	}()
	defer func() { stop(); <-done }()
	return transfer(ctx)
}

// showProgress goes on until the context ends.
func (s *Service) showProgress(ctx context.Context, session source) {
	tick := time.NewTicker(s.progressEvery)
	defer tick.Stop()
	before := session.Received()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		received := session.Received()
		log.G(ctx).WithFields(log.Fields{
			"bytes": received, "of": session.Expected(), "bytes_per_second": int64(float64(received-before) / s.progressEvery.Seconds()),
		}).Info("image pull goes on")
		before = received
	}
}
