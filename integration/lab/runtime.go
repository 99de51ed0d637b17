// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// StartRuntime starts wazelet. It returns when the process runs; WaitRuntime waits
// until it answers.
func (c *Cluster) StartRuntime(context.Context) error {
	if c.PID("wazelet") != 0 {
		return errors.New("start wazelet: it runs already")
	}
	return c.startDaemon("wazelet", c.options.Wazelet, "serve", "--config", c.path("wazelet.toml"))
}

// Binary is the path of wazelet, and Config of its configuration.
func (c *Cluster) Binary() string { return c.options.Wazelet }

// Config is the path of wazelet's configuration.
func (c *Cluster) Config() string { return c.path("wazelet.toml") }

// Wazelet runs the command line of the runtime under test, with its configuration.
func (c *Cluster) Wazelet(ctx context.Context, args ...string) (Output, error) {
	return c.Command(ctx, c.options.Wazelet, append([]string{"--config", c.path("wazelet.toml")}, args...)...)
}

// StopRuntime ends wazelet as a service manager would, with SIGTERM. The pods go
// on.
func (c *Cluster) StopRuntime(context.Context) error {
	return c.stopDaemon("wazelet", unix.SIGTERM, 20*time.Second)
}

// KillRuntime ends wazelet with SIGKILL. The pods go on.
func (c *Cluster) KillRuntime(context.Context) error {
	return c.stopDaemon("wazelet", unix.SIGKILL, 20*time.Second)
}

// WaitRuntime waits until wazelet answers requests, which it does once it has
// recovered its pods.
func (c *Cluster) WaitRuntime(ctx context.Context) error { return c.waitRuntime(ctx) }

func (c *Cluster) waitRuntime(ctx context.Context) error {
	return c.until(ctx, "wazelet to answer", func(ctx context.Context) error {
		_, err := c.Crictl(ctx, "--timeout", "2s", "pods", "-q")
		return err
	}, "wazelet")
}

// RestartRuntime ends wazelet with SIGTERM, starts it again and waits until it
// answers.
func (c *Cluster) RestartRuntime(ctx context.Context) error {
	if err := c.StopRuntime(ctx); err != nil {
		return err
	}
	if err := c.StartRuntime(ctx); err != nil {
		return err
	}
	return c.waitRuntime(ctx)
}

// RestartRuntimeWithDefault is RestartRuntime with another handler for pods without a
// RuntimeClass, see Options.DefaultHandler.
func (c *Cluster) RestartRuntimeWithDefault(ctx context.Context, handler string) error {
	c.options.DefaultHandler = handler
	if err := os.WriteFile(c.path("wazelet.toml"), []byte(c.wazeletConfig()), 0o600); err != nil {
		return err
	}
	return c.RestartRuntime(ctx)
}

// RestartKubelet ends the kubelet with SIGTERM, starts it again and waits until it
// is healthy.
func (c *Cluster) RestartKubelet(ctx context.Context) error {
	if err := c.stopDaemon("kubelet", unix.SIGTERM, 20*time.Second); err != nil {
		return err
	}
	if err := c.startKubelet(); err != nil {
		return fmt.Errorf("start kubelet: %w", err)
	}
	client := c.HTTP()
	defer client.CloseIdleConnections()
	return c.until(ctx, "the kubelet's /healthz", func(ctx context.Context) error {
		return c.get(ctx, client, "http://127.0.0.1:10248/healthz")
	}, "kubelet")
}
