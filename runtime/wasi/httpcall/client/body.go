// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// body is a response's, of which each part must come within a time. It holds its request's context,
// whose end ends a Read as well.
type body struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	inner   io.ReadCloser
	timeout time.Duration
	close   func() error
}

var errClosed = errors.New("the response is closed")

func newBody(ctx context.Context, cancel context.CancelCauseFunc, inner io.ReadCloser, timeout time.Duration) *body {
	return &body{ctx: ctx, cancel: cancel, inner: inner, timeout: timeout, close: sync.OnceValue(func() error {
		cancel(errClosed) // it ends a Read that would keep Close waiting
		return inner.Close()
	})}
}

// Read reads what has come, or waits for some.
func (b *body) Read(p []byte) (int, error) {
	watch := time.AfterFunc(b.timeout, func() { b.cancel(fmt.Errorf("nothing more of the body within %s", b.timeout)) })
	defer watch.Stop()
	n, err := b.inner.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

// Close may be called more than once.
func (b *body) Close() error { return b.close() }
