// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// linger is how long a connection of which one side has ended may carry nothing.
// A client that is gone altogether looks like one that only has no more to say,
// and a server that takes no notice would keep the connection for ever.
const linger = 5 * time.Minute

// Why a connection ends that nobody needs to be told about.
var (
	errDone  = errors.New("both sides have ended")
	errQuiet = errors.New("nothing came after one side had ended")
)

// splice copies both ways until both sides have ended, one of them is gone, or
// the context ends; then both are closed. The end of one side is handed on to
// the other, which may go on. The error is the cause of the context's end.
func splice(ctx context.Context, c client, pod *net.TCPConn, linger time.Duration) error {
	inner, end := context.WithCancelCause(ctx)
	closed := make(chan struct{})
	context.AfterFunc(inner, func() {
		defer close(closed)
		pod.Close() // before the client, which can block
		c.abort()
	})
	quiet := newQuiet(linger, func() { end(errQuiet) })
	defer quiet.stop()
	var ways sync.WaitGroup
	ways.Go(func() { // pod to client
		_, err := io.Copy(c, quiet.watch(pod))
		if err == nil {
			err = c.CloseWrite()
		}
		if err != nil {
			end(err)
			return
		}
		quiet.begin()
	})
	ways.Go(func() { // client to pod
		_, err := io.Copy(pod, quiet.watch(c))
		switch {
		case errors.Is(err, errGone):
			end(err)
		case err == nil && pod.CloseWrite() == nil:
			quiet.begin()
		default:
			// The pod's end is gone. What it sent before, such as why it
			// listens no more, is still on its way in the other direction.
		}
	})
	ways.Wait()
	end(errDone)
	<-closed
	return context.Cause(ctx)
}

// quiet calls a function when, from its beginning on, nothing is read for a
// while.
type quiet struct {
	after time.Duration
	timer *time.Timer
	begun atomic.Bool
}

func newQuiet(after time.Duration, end func()) *quiet {
	q := &quiet{after: after, timer: time.AfterFunc(time.Hour, end)}
	q.timer.Stop()
	return q
}

func (q *quiet) begin() {
	q.begun.Store(true)
	q.timer.Reset(q.after)
}

func (q *quiet) stop() { q.timer.Stop() }

// watch returns a reader that tells of what is read from another.
func (q *quiet) watch(r io.Reader) io.Reader { return watched{r, q} }

type watched struct {
	io.Reader
	q *quiet
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 && w.q.begun.Load() {
		w.q.timer.Reset(w.q.after)
	}
	return n, err
}
