// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/wazelet/wazelet/runtime/worker/console"
	"github.com/wazelet/wazelet/runtime/worker/control"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// Attach shows a container's output to a client from now on and takes its input,
// as far as the container has a stdin, until the container ends or ctx does,
// which is no error. A client that only types is attached until it stops.
func (c *Controller) Attach(ctx context.Context, id string, s Streams) error {
	e, err := c.store.get(id)
	if err != nil {
		return err
	}
	n := e.container()
	if err := n.requireState("attach to", StateRunning, StateStarting, StateCreated); err != nil {
		return err
	}
	var pipes plumbing
	defer pipes.close()
	typed := make(chan struct{})
	if s.Stdin != nil {
		s.Stdin = ending{from: s.Stdin, end: sync.OnceFunc(func() { close(typed) })}
	}
	ends, err := attachEnds(n, s, &pipes)
	if err != nil {
		return fmt.Errorf("container %s: attach: %w", n.ID, err)
	}
	worker := control.Dial(c.controlSocket(n.ID))
	if err := worker.Attach(ctx, ends); err != nil {
		return fmt.Errorf("container %s: %w", n.ID, launch.Classify(err))
	}
	pipes.handedOver()
	follow(s.Resize, func(size TerminalSize) error { return worker.Resize(ctx, size) })
	over, ended := pipes.drained(), (<-chan struct{})(nil) // the outputs end with the container
	if ends.Stdout == nil && ends.Stderr == nil {
		over, ended = typed, e.exited
	}
	select {
	case <-over:
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// attachEnds makes the worker's ends of a session.
func attachEnds(n Container, s Streams, pipes *plumbing) (ends console.Streams, err error) {
	switch {
	case n.Config.Stdin:
		if ends.Stdin, err = pipes.input(s.Stdin); err != nil {
			return ends, err
		}
	case s.Stdin != nil: // what is typed must not stop up the connection
		go func() { _, _ = io.Copy(io.Discard, s.Stdin) }()
	}
	if ends.Stdout, err = pipes.output(s.Stdout); err != nil || n.Config.TTY {
		return ends, err
	}
	ends.Stderr, err = pipes.output(s.Stderr)
	return ends, err
}

// ending is a reader that says when it is at its end.
type ending struct {
	from io.Reader
	end  func()
}

func (r ending) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil {
		r.end()
	}
	return n, err
}
