// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/socket"
)

// nc connects standard input and output with another program: at HOST PORT, or the first that comes
// to -l -p PORT. -z only tries, -u is UDP, -w SECONDS bounds how long it waits for the connection and
// for each answer.
func nc(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("l p: z v u w: n N q: s: k")
	if err == nil && o.Has("k") {
		err = errors.New("-k is not supported: each nc serves one client")
	}
	if err != nil {
		return c.Usage(err)
	}
	var wait time.Duration // 0: for ever
	if o.Has("w") {
		if wait, err = command.ParseDuration(o.Value("w", "")); err == nil && wait == 0 {
			err = errors.New("-w: more than 0 seconds")
		}
		if err != nil {
			return c.Usage(err)
		}
	}
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if wait > 0 {
		waiting, cancel = context.WithTimeout(ctx, wait)
	}
	defer cancel()
	if o.Has("l") {
		return ncListen(ctx, waiting, c, o, args, wait)
	}
	return ncDial(ctx, waiting, c, o, args, wait)
}

func ncDial(ctx, waiting context.Context, c *command.Call, o command.Options, args []string, wait time.Duration) int {
	if len(args) != 2 {
		return c.Usage(errors.New("HOST and PORT, or -l -p PORT"))
	}
	port, err := parsePort(args[1])
	if err != nil {
		return c.Usage(err)
	}
	protocol := "tcp"
	if o.Has("u") {
		protocol = "udp"
	}
	conn, err := socket.DialAny(waiting, protocol, args[0], port)
	if err != nil {
		return c.Errorf("%s port %d: %s", args[0], port, command.Reason(err))
	}
	if o.Has("v") {
		fmt.Fprintf(c.Stderr, "%s (%s) open\n", args[0], conn.Remote())
	}
	if o.Has("z") {
		conn.Close()
		return 0
	}
	return finish(c, exchange(ctx, c, conn, wait))
}

func ncListen(ctx, waiting context.Context, c *command.Call, o command.Options, args []string, wait time.Duration) int {
	text := o.Value("p", "")
	if text == "" && len(args) > 0 {
		text = args[len(args)-1]
	}
	port, err := parsePort(text)
	if err == nil && o.Has("u") {
		err = errors.New("-l -u: listening is for TCP alone")
	}
	if err != nil {
		return c.Usage(err)
	}
	l, err := listen(o.Value("s", ""), port)
	if err != nil {
		return c.Errorf("port %d: %s", port, command.Reason(err))
	}
	stop := context.AfterFunc(waiting, func() { _ = l.Close() }) // accepting ends
	conn, err := l.Accept()
	if stop() {
		_ = l.Close() // it serves one client
	} else if err != nil {
		err = syscall.ETIMEDOUT
	}
	if err != nil {
		return c.Errorf("port %d: %s", port, command.Reason(err))
	}
	if o.Has("v") {
		fmt.Fprintf(c.Stderr, "connection from %s\n", remoteOf(conn.Remote()))
	}
	return finish(c, exchange(ctx, c, conn, wait))
}

func finish(c *command.Call, err error) int {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = syscall.ETIMEDOUT
	}
	if err != nil {
		return c.Errorf("%s", command.Reason(err))
	}
	return 0
}

// exchange copies both ways until the other side has no more to say, and closes the connection.
func exchange(ctx context.Context, c *command.Call, conn socket.Conn, wait time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { conn.Close() })
	in := &progress{r: command.Interruptible(ctx, c.Stdin)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// How it ended, the other direction shows.
		_, _ = io.Copy(conn, in)
		if ctx.Err() == nil {
			_ = conn.CloseWrite()
		}
	}()
	// What standard input still has is for the command that comes next: nobody may go on to read it.
	// A pipe is this command's own, and may have nothing for long.
	defer func() {
		cancel()
		if in, ok := c.Stdin.(*command.Input); ok {
			if _, ok := in.File.(*os.File); ok {
				<-done
			}
		}
	}()
	err := receive(ctx, c.Stdout, conn, wait)
	if err == nil {
		in.settle(done)
	}
	return err
}

// progress counts reads.
type progress struct {
	r io.Reader
	n atomic.Int64
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n.Add(1)
	return n, err
}

// linger is for how long standard input may have nothing, once the other side has no more to say.
const linger = 100 * time.Millisecond

// settle waits until what was there to be sent has been: the other side may have ended its part before
// it got the answer.
func (p *progress) settle(done <-chan struct{}) {
	for {
		before := p.n.Load()
		select {
		case <-done:
			return
		case <-time.After(linger):
			if p.n.Load() == before {
				return
			}
		}
	}
}

// receive copies what the other side sends.
func receive(ctx context.Context, w io.Writer, conn socket.Conn, wait time.Duration) error {
	buf := make([]byte, 32<<10)
	for {
		if wait > 0 {
			if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
				return err
			}
		}
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
