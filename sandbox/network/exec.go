// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

const (
	// maxOutput bounds what is kept of a plugin's words. A result is a few KiB.
	maxOutput = 1 << 20
	// maxMessage bounds what of them goes into an error, and so into an event.
	maxMessage = 1 << 10
	// waitDelay is for a plugin's output after it was killed.
	waitDelay = 2 * time.Second
	// busyRetries and busyPause bound the wait for an installer that writes the
	// plugin's binary.
	busyRetries = 5
	busyPause   = 200 * time.Millisecond
)

// pluginExec runs plugins for libcni. Unlike its own runner it ends a plugin's
// children with the plugin, waits for no one who holds its output open, and
// bounds that output.
type pluginExec struct {
	version.PluginDecoder
}

// FindInPath finds a plugin's binary.
func (*pluginExec) FindInPath(plugin string, dirs []string) (string, error) {
	path, err := invoke.FindInPath(plugin, dirs)
	if err != nil {
		return "", fmt.Errorf("no plugin %q in %s: %w", plugin, strings.Join(dirs, ", "), errdefs.ErrFailedPrecondition)
	}
	return path, nil
}

// ExecPlugin runs one plugin and returns what it said.
func (*pluginExec) ExecPlugin(ctx context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	var stdout, stderr bounded
	err := run(ctx, path, environ, stdin, &stdout, &stderr)
	for range busyRetries {
		if !errors.Is(err, syscall.ETXTBSY) { // it is being replaced
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(busyPause):
		}
		err = run(ctx, path, environ, stdin, &stdout, &stderr)
	}
	if words := stderr.message(); words != "" {
		log.G(ctx).WithField("cni_plugin", path).Debug(words)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("gave no answer in time: %w", context.Cause(ctx))
	case err != nil:
		return nil, pluginError(err, &stdout, &stderr)
	case stdout.cut:
		return nil, fmt.Errorf("answered with more than %d bytes", maxOutput)
	}
	return stdout.kept, nil
}

func run(ctx context.Context, path string, environ []string, stdin []byte, stdout, stderr *bounded) error {
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	if err := cmd.Run(); !errors.Is(err, exec.ErrWaitDelay) {
		return err
	}
	return nil // it succeeded and left a child behind that holds its output
}

// pluginError tells the plugin's own reason: an error object on its output, or
// else what it printed.
func pluginError(err error, stdout, stderr *bounded) error {
	var told types.Error
	if json.Unmarshal(stdout.kept, &told) != nil || told.Msg == "" {
		words := stderr.message()
		if words == "" {
			words = stdout.message()
		}
		if words == "" {
			return err
		}
		return fmt.Errorf("%s: %w", words, err)
	}
	told.Msg, told.Details = shorten(told.Msg), shorten(told.Details)
	switch told.Code {
	case types.ErrTryAgainLater, types.ErrPluginNotAvailable, types.ErrLimitedConnectivity:
		return fmt.Errorf("%w: %w", &told, errdefs.ErrUnavailable)
	}
	return &told
}

// bounded keeps the first maxOutput bytes of what is written to it.
type bounded struct {
	kept []byte
	cut  bool
}

// Write never fails: the plugin may talk on.
func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), maxOutput-len(b.kept))
	b.kept = append(b.kept, p[:room]...)
	b.cut = b.cut || room < len(p)
	return len(p), nil
}

// message is the text as one line of an error.
func (b *bounded) message() string { return shorten(string(b.kept)) }

// shorten makes one line of at most maxMessage bytes of valid text.
func shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s[:min(len(s), 2*maxMessage)], "")), " ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}
