// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/log"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"github.com/wazelet/wazelet/runtime"
)

// commander leads streams to commands and to containers' own stdio.
type commander struct {
	runtime *runtime.Controller
	life    *life
}

// Exec runs a command on the client's streams. A code other than 0 is an
// ExitError, as the library wants it; when the client goes, the command is
// killed, and nobody is told of that.
func (c commander) Exec(ctx context.Context, containerID string, args []string, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	logger := log.G(ctx).WithFields(log.Fields{"container_id": containerID, "command": args[0]})
	code, err := c.runtime.Exec(ctx, containerID, runtime.Command{Args: args, TTY: tty, Streams: streams(ctx, in, out, errs, resize)})
	if err != nil {
		logger.WithError(err).Warn("command not run to its end")
		return err
	}
	logger.WithField("exit_code", code).Debug("command has ended")
	if code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("exit code %d", code), Code: int(code)}
	}
	return nil
}

// Attach joins the client with a container's own stdio until either is at its
// end.
func (c commander) Attach(ctx context.Context, containerID string, in io.Reader, out, errs io.WriteCloser, _ bool, resize <-chan remotecommand.TerminalSize) error {
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = c.runtime.Attach(ctx, containerID, streams(ctx, in, out, errs, resize))
	if err != nil {
		log.G(ctx).WithError(err).WithField("container_id", containerID).Warn("not attached")
	}
	return err
}

// begin counts the stream in and returns a context that ends with the client's
// connection, or with the server.
func (c commander) begin(ctx context.Context) (context.Context, func(), error) {
	over, err := c.life.begin()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(context.Cause(c.life)) })
	return ctx, func() { stop(); cancel(nil); over() }, nil
}

// streams are the client's in the domain's terms.
func streams(ctx context.Context, in io.Reader, out, errs io.WriteCloser, resize <-chan remotecommand.TerminalSize) runtime.Streams {
	s := runtime.Streams{Stdin: in, Stdout: out, Stderr: errs}
	if resize != nil {
		s.Resize = sizes(ctx, resize)
	}
	return s
}

// sizes converts what the library tells of the client's window.
func sizes(ctx context.Context, from <-chan remotecommand.TerminalSize) <-chan runtime.TerminalSize {
	to := make(chan runtime.TerminalSize)
	go func() {
		defer close(to)
		for {
			select {
			case size, ok := <-from:
				if !ok {
					return
				}
				select {
				case to <- runtime.TerminalSize{Width: size.Width, Height: size.Height}:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}
