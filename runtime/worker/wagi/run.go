// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/wasi"
)

// exitStopped is what a guest ends with that is told to; nobody sees it.
const exitStopped = 143

// answer runs a guest for the request, and reports whether the connection can
// be used for another one.
func (c *conn) answer(ctx context.Context, q *request) bool {
	if !c.server.acquire() {
		c.server.logf("%s: no slot came free within %s", q.summary(c.remote), queueTime)
		_ = c.net.SetWriteDeadline(time.Now().Add(headTime))
		_ = decline(c.net, 503, q.method == "HEAD", true)
		return false
	}
	defer c.server.release()
	deadline := time.Now().Add(c.server.Timeout)
	_ = c.net.SetReadDeadline(deadline)
	_ = c.net.SetWriteDeadline(deadline.Add(interruptTime / 2))
	if q.expect && q.length != 0 {
		if _, err := io.WriteString(c.net, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return false
		}
	}
	a := &answer{out: c.out, head: q.method == "HEAD", old: q.old, close: q.close || c.server.isDraining()}
	body, err := c.feed(q)
	if err == nil {
		err = c.run(ctx, q, a, body)
	}
	whole := body.end(c.net)
	if err == nil {
		return whole && !a.close
	}
	c.server.logf("%s: %s", q.summary(c.remote), err)
	if a.begun {
		// What the client has is not all of it: it sees that by the missing end.
		c.abort()
		return false
	}
	status := 500
	if errors.Is(err, errTime) {
		status = 504
		_ = c.net.SetWriteDeadline(time.Now().Add(interruptTime))
	}
	return decline(c.net, status, a.head, a.close || !whole) == nil && whole && !a.close
}

// abort resets the connection when it is closed.
func (c *conn) abort() {
	if tcp, ok := c.net.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.net.Close()
}

var errTime = errors.New("its time is over")

// run runs a guest to its end. An error says what it, or the client, did not do.
func (c *conn) run(ctx context.Context, q *request, a *answer, body *feed) error {
	stderr := &lines{log: c.server.Log}
	defer stderr.flush()
	guest, err := c.server.Program.Guest(wasi.Options{
		Args: q.arguments(), Env: q.environment(c.server.Env, c.local, c.remote),
		Stdin: body.stdin(), Stdout: wasi.StdioSink(a), Stderr: wasi.StdioSink(stderr),
		Preopens: c.server.Preopens,
	})
	if err != nil {
		return err
	}
	a.stop = func() { guest.Interrupt(exitStopped) }
	watch := c.server.watch(guest, q.summary(c.remote))
	code, err := guest.Run(ctx)
	late := watch.stop()
	if trap, ok := errors.AsType[*engine.Trap](err); ok {
		return errors.New(trap.Text())
	}
	switch {
	case err != nil:
		return err
	case late:
		return fmt.Errorf("%w (%s)", errTime, c.server.Timeout)
	case a.failed != nil:
		return a.failed
	case code != 0:
		return fmt.Errorf("exit code %d", code)
	}
	return a.finish()
}

// watch ends a guest whose time is over.
type watch struct {
	timer *time.Timer
	late  atomic.Bool
	ended atomic.Bool
}

// watch tells the guest to end after the server's timeout. One that is found
// computing after that ends the process: nothing else can.
func (s *Server) watch(guest *engine.Guest, summary string) *watch {
	w := &watch{}
	w.timer = time.AfterFunc(s.Timeout, func() {
		w.late.Store(true)
		guest.Interrupt(exitStopped)
		for !w.ended.Load() {
			time.Sleep(interruptTime)
			// In a host call it waits for the kernel, or for another guest's end
			// with which it can go on to its own.
			if guest.Computing() && !w.ended.Load() {
				s.Fatal(fmt.Sprintf("wagi: %s: computes without pause after its time of %s; this ends the worker, all requests with it",
					summary, s.Timeout))
			}
		}
	})
	return w
}

// stop says that the guest has ended, and reports whether it was told to.
func (w *watch) stop() (late bool) {
	w.ended.Store(true)
	w.timer.Stop()
	return w.late.Load()
}

// feed is a request's body on its way to the guest's stdin, through a pipe.
type feed struct {
	read, write *os.File
	done        chan bool // whether the body was read to its end
}

// feed begins to feed the guest. Without a body its stdin is at its end.
func (c *conn) feed(q *request) (*feed, error) {
	if q.length == 0 {
		return &feed{}, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return &feed{}, fmt.Errorf("stdin: %w", err)
	}
	f := &feed{read: r, write: w, done: make(chan bool, 1)}
	body := q.body(c.in)
	go func() {
		_, err := io.Copy(f.write, body)
		f.write.Close()
		if err != nil {
			// The guest wants no more, or the client sends no more.
			_, err = io.CopyN(io.Discard, body, maxUnread)
			f.done <- errors.Is(err, io.EOF)
			return
		}
		f.done <- true
	}()
	return f, nil
}

// stdin is the guest's end.
func (f *feed) stdin() wasi.Stdio {
	if f.read == nil {
		return wasi.Stdio{}
	}
	return wasi.StdioFD(int(f.read.Fd()))
}

// end stops feeding, and reports whether all of the body has been read, so that
// what follows on the connection is the next request.
func (f *feed) end(c net.Conn) bool {
	if f.read == nil {
		return true
	}
	f.read.Close()
	_ = c.SetReadDeadline(time.Now().Add(drainTime))
	return <-f.done
}
