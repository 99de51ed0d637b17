// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"errors"
	"io"
	"time"
)

// settleTimeout is how long a client may take to hear that it has its stream. It
// takes no time unless the connection is at its end.
const settleTimeout = 10 * time.Second

// errGone is why a connection ends whose client has ended all of it.
var errGone = errors.New("the client is gone")

// client is the far end of a forwarded connection. A SPDY stream has two halves
// that end each on their own; a WebSocket has no word for that, so that there
// each end is the whole one's.
type client struct {
	io.ReadWriteCloser
	reset func() error // nil for a WebSocket
}

func newClient(stream io.ReadWriteCloser) client {
	if spdy, ok := stream.(interface{ Reset() error }); ok {
		return client{stream, spdy.Reset}
	}
	return client{stream, nil}
}

// settle waits until the client has been told that it has its stream, and says
// whether it could be. The library tells it while a port is being forwarded
// already: without the wait, a failure could overtake its answer, and kubectl
// would be left with "Stream reset". A write waits for the answer, also an empty
// one; it waits for ever when the answer could not be sent.
func (c client) settle() bool {
	if c.reset == nil {
		return true
	}
	told := make(chan error, 1)
	go func() {
		_, err := c.Write(nil)
		told <- err
	}()
	late := time.NewTimer(settleTimeout)
	defer late.Stop()
	select {
	case err := <-told:
		return err == nil
	case <-late.C:
		return false
	}
}

// Read reads what the client sends; its end is errGone when it is the whole
// connection's.
func (c client) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	if err != nil && c.reset == nil {
		err = errGone
	}
	return n, err
}

// CloseWrite tells the client that nothing more comes, or is errGone when there
// is no way to do so.
func (c client) CloseWrite() error {
	if c.reset == nil {
		return errGone
	}
	return c.Close()
}

// abort ends the client's reads and writes.
func (c client) abort() {
	// An error means that there is nobody left to tell.
	if c.reset != nil {
		_ = c.reset()
	} else {
		_ = c.Close()
	}
}
