// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Output is what a command wrote and how it ended.
type Output struct {
	Stdout, Stderr string
	// Code is the exit code; -1 when a signal ended the command.
	Code int
}

// Command runs a program inside the laboratory and waits for it. A bare name is
// looked for among the parts first, then in PATH. When the program fails, the
// error shows its standard error and the output is returned too.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) (Output, error) {
	return c.CommandInput(ctx, nil, name, args...)
}

// CommandInput is Command with a standard input.
func (c *Cluster) CommandInput(ctx context.Context, stdin io.Reader, name string, args ...string) (Output, error) {
	if _, err := os.Stat(c.part(name)); err == nil && filepath.Base(name) == name {
		name = c.part(name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	// A command that ignores SIGTERM is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	err := c.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	out := Output{Stdout: stdout.String(), Stderr: stderr.String(), Code: -1}
	if cmd.ProcessState != nil {
		out.Code = cmd.ProcessState.ExitCode()
	}
	if err != nil && ctx.Err() != nil {
		return out, fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), context.Cause(ctx))
	}
	if err != nil {
		return out, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, strings.TrimSpace(out.Stderr))
	}
	return out, nil
}

// Kubectl runs kubectl as the cluster's administrator.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (Output, error) {
	return c.Command(ctx, "kubectl", args...)
}

// Crictl runs crictl against wazelet.
func (c *Cluster) Crictl(ctx context.Context, args ...string) (Output, error) {
	return c.Command(ctx, "crictl", args...)
}

// Apply applies a manifest given as text.
func (c *Cluster) Apply(ctx context.Context, manifest string) error {
	_, err := c.CommandInput(ctx, strings.NewReader(manifest), "kubectl", "apply", "-f", "-")
	return err
}

// Delete deletes one object, such as "pod/hello", and waits until it is gone.
func (c *Cluster) Delete(ctx context.Context, namespace, object string) error {
	_, err := c.Kubectl(ctx, "delete", "--namespace", namespace, object, "--wait", "--timeout", timeLeft(ctx))
	return err
}

// Wait is kubectl wait, bounded by the context: Wait(ctx, "--for=condition=Ready",
// "pod/hello").
func (c *Cluster) Wait(ctx context.Context, args ...string) error {
	_, err := c.Kubectl(ctx, append([]string{"wait", "--timeout", timeLeft(ctx)}, args...)...)
	return err
}

// WaitCreated waits until all of the objects exist, in the namespace where they
// are in one. kubectl wait --for=create has been seen to answer NotFound at once
// for an object that was just being created.
func (c *Cluster) WaitCreated(ctx context.Context, namespace string, objects ...string) error {
	args := append([]string{"get", "--namespace", namespace}, objects...)
	return c.until(ctx, strings.Join(objects, ", "), func(ctx context.Context) error {
		_, err := c.Kubectl(ctx, args...)
		return err
	})
}

// Get decodes kubectl get -o json into v: Get(ctx, &pod, "pod", "hello").
func (c *Cluster) Get(ctx context.Context, v any, args ...string) error {
	out, err := c.Kubectl(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out.Stdout), v)
}

// Logs returns what a pod's container has logged; further arguments, such as
// --previous or --timestamps, are passed on.
func (c *Cluster) Logs(ctx context.Context, namespace, pod string, args ...string) (string, error) {
	out, err := c.Kubectl(ctx, append([]string{"logs", "--namespace", namespace, pod}, args...)...)
	return out.Stdout, err
}

// timeLeft is the context's deadline as a duration for kubectl, a little earlier
// so that kubectl's own message is seen, or two minutes.
func timeLeft(ctx context.Context) string {
	deadline, ok := ctx.Deadline()
	if !ok {
		return "2m"
	}
	return max(time.Second, time.Until(deadline)-time.Second/2).Round(time.Millisecond).String()
}
