// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"errors"
	"net"
	"os"
)

// errClientGone is why a command is killed that nobody watches any more.
var errClientGone = errors.New("the client has gone")

// listener accepts connections that tell when their client has gone. A stream
// takes its connection over, so that the HTTP server does not notice, and the
// library's own contexts never end.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	watched := &conn{TCPConn: tcp}
	watched.gone, watched.leave = context.WithCancelCause(context.Background())
	return watched, nil
}

// conn is a client's connection. Somebody reads from it all the time: the HTTP
// server first, then the library's stream.
type conn struct {
	*net.TCPConn
	gone  context.Context // ends with the connection
	leave context.CancelCauseFunc
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	// The HTTP server lets its own read of the next request time out.
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.leave(errClientGone)
	}
	return n, err
}

func (c *conn) Close() error {
	c.leave(errClientGone)
	return c.TCPConn.Close()
}
