// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// target is where streams lead, as the library wants it: one part for each kind
// of stream.
type target struct {
	forwarder
	noCommands
}

var _ streaming.Runtime = target{}

// noCommands are the kinds of stream that no URL is given out for.
type noCommands struct{}

// Exec is not served.
func (noCommands) Exec(context.Context, string, []string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return fmt.Errorf("exec: %w", errdefs.ErrNotImplemented)
}

// Attach is not served.
func (noCommands) Attach(context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return fmt.Errorf("attach: %w", errdefs.ErrNotImplemented)
}
