// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/wazelet/wazelet/runtime/worker/console"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/terminal"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// Client calls one worker. It holds no connection: each call dials, because
// calls are rare and a worker should hold nothing for an idle daemon. It is
// safe for concurrent use.
type Client struct {
	path string
}

// Dial returns a client of the worker that listens at path. A worker that is
// gone shows as an error of the calls: syscall.ECONNREFUSED or
// syscall.ENOENT.
func Dial(path string) *Client { return &Client{path: path} }

// Start opens the gate: the guest runs. It returns when the guest began; a
// second call returns the same time. Errors the worker answers with are
// *spec.Failure.
func (c *Client) Start(ctx context.Context) (time.Time, error) {
	res, err := c.call(ctx, request{Method: methodStart})
	if err != nil {
		return time.Time{}, fmt.Errorf("start: %w", err)
	}
	return res.StartedAt, nil
}

// ReopenLog makes f, opened write-only and append-only, the container's log.
// When it returns, no later line goes to the old file. f stays the caller's.
func (c *Client) ReopenLog(ctx context.Context, f *os.File) error {
	if _, err := c.call(ctx, request{Method: methodReopenLog}, f); err != nil {
		return fmt.Errorf("reopen log: %w", err)
	}
	return nil
}

// Attach gives the worker a client's ends of a session: pipes, of which nil is
// one the client does not want. They stay the caller's, who closes them.
func (c *Client) Attach(ctx context.Context, s console.Streams) error {
	req := request{Method: methodAttach, Stdin: s.Stdin != nil, Stdout: s.Stdout != nil, Stderr: s.Stderr != nil}
	if _, err := c.call(ctx, req, s.Files()...); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return nil
}

// Resize sets the size of the container's terminal.
func (c *Client) Resize(ctx context.Context, size terminal.Size) error {
	if _, err := c.call(ctx, request{Method: methodResize, Size: size}); err != nil {
		return fmt.Errorf("resize: %w", err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, req request, files ...*os.File) (response, error) {
	addr, release, err := address(c.path)
	if err != nil {
		return response{}, err
	}
	defer release()
	// A unix connect needs the peer's backlog, not the peer: it does not wait
	// on a busy worker.
	conn, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	// A deadline in the past ends any read or write at once.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	// A worker that refuses the caller answers without reading: its words count
	// even when the request could not be sent.
	var res response
	sent := wire.Send(conn, req, files...)
	received, err := wire.Receive(conn, &res)
	for _, f := range received {
		f.Close()
	}
	if err != nil && sent != nil && !isFailure(err) {
		err = sent
	}
	return res, cause(ctx, err)
}

func isFailure(err error) bool {
	_, ok := errors.AsType[*spec.Failure](err)
	return ok
}

// cause prefers the context's reason over the time-out it provoked.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
