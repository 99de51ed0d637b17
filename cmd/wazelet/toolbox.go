// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
)

// prepareToolbox compiles the toolbox beside everything else, once per release
// and node: the first command that needs it is often a probe, which has a second.
// The channel is closed when that is done, or given up because ctx has ended.
func (n *node) prepareToolbox(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := n.containers.PrepareToolbox(ctx)
		switch {
		case err == nil, ctx.Err() != nil:
		case errdefs.IsNotFound(err):
			log.G(ctx).Warn("this wazelet was built without its toolbox (make build puts it in): commands that an image has not are not found")
		default:
			log.G(ctx).WithError(err).Error("toolbox cannot be used")
		}
	}()
	return done
}
