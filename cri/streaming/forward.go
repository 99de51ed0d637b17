// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/sandbox"
	"github.com/wazelet/wazelet/sandbox/netns"
)

// dialTimeout bounds connecting to a port of the pod's own loopback, which takes
// long only when the guest accepts nothing and its backlog is full.
const dialTimeout = 10 * time.Second

// forwarder leads streams to ports of pods.
type forwarder struct {
	sandboxes *sandbox.Controller
	life      *life
	linger    time.Duration // see splice
}

// PortForward connects a stream with a port of a sandbox until either side, the
// sandbox or the server ends. Only what the user should hear of is an error: a
// port that cannot be reached, a sandbox that is stopped. What a connection's
// own sides do to each other is theirs, and no reason for kubectl to give up the
// other connections. The library passes no context that would ever end.
func (f forwarder) PortForward(_ context.Context, sandboxID string, port int32, stream io.ReadWriteCloser) error {
	done, err := f.life.begin()
	if err != nil {
		return err
	}
	defer done()
	c := newClient(stream)
	if !c.settle() {
		return nil // nobody is there to be told
	}
	sb, ready, err := f.sandboxes.Ready(sandboxID)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(f.life)
	defer end(nil)
	defer context.AfterFunc(ready, func() { end(context.Cause(ready)) })()
	logger := log.G(ctx).WithFields(log.Fields{"sandbox_id": sb.ID, "pod": sb.Namespace + "/" + sb.Name, "port": port})
	started := time.Now()
	err = f.forward(ctx, sb, port, c)
	logger = logger.WithField("duration", time.Since(started).String())
	if err == nil || errors.Is(err, errClosing) { // the client sees its whole connection end
		logger.Debug("forwarded connection has ended")
		return nil
	}
	logger.WithError(err).Warn("port not forwarded")
	return fmt.Errorf("pod %s/%s: port %d: %w", sb.Namespace, sb.Name, port, err)
}

func (f forwarder) forward(ctx context.Context, sb sandbox.Sandbox, port int32, c client) error {
	pod, err := dialPod(ctx, sb, port)
	switch {
	case err == nil:
		return splice(ctx, c, pod, f.linger)
	case ctx.Err() != nil: // the network may be gone already
		return context.Cause(ctx)
	case errors.Is(err, unix.ECONNRESET): // accepted, and ended before we knew
		c.abort()
		return nil
	default:
		return err
	}
}

// dialPod connects to a port on the loopback of the sandbox's network, which is
// the node's for a pod on the node's network. A socket belongs to the network
// namespace it was made in, whichever thread uses it later.
func dialPod(ctx context.Context, sb sandbox.Sandbox, port int32) (conn *net.TCPConn, err error) {
	if sb.Network == sandbox.NetworkNode {
		return dialLoopback(ctx, port)
	}
	err = netns.Do(sb.NetNS, func() error {
		conn, err = dialLoopback(ctx, port)
		return err
	})
	return conn, err
}

// dialLoopback tries IPv4 and then IPv6. The error is that of IPv4, which every
// pod has.
func dialLoopback(ctx context.Context, port int32) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var dialer net.Dialer
	var first error
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			break // somebody listens
		}
	}
	if errors.Is(first, unix.ECONNREFUSED) {
		return nil, errors.New("connection refused: no container of the pod listens on it")
	}
	if timeout, ok := errors.AsType[net.Error](first); ok && timeout.Timeout() {
		return nil, fmt.Errorf("no connection after %s: the container that listens on it accepts none", dialTimeout)
	}
	return nil, first
}
